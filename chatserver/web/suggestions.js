/** Questions for an empty chat. They fit the sample that comes with the server (examples/cooling-unit). */
export const SUGGESTIONS = [
  { text: "What should I do if it smells of ammonia and my eyes hurt?", lang: "en" },
  { text: "What does alarm A-41 mean?", lang: "en" },
  { text: "Show the latest TelemetryEvent of P-101.", lang: "en" },
  { text: "Wat moet er gebeuren bij legionella in de koeltoren?", lang: "nl" },
];
