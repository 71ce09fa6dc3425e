/** Questions for an empty chat. They fit the sample that comes with the server (examples/cooling-unit). */
export const SUGGESTIONS = [
  { text: "What must be checked before starting the chiller?", lang: "en" },
  { text: "Which failure modes can make the supply temperature rise?", lang: "en" },
  { text: "Show the newest telemetry events.", lang: "en" },
  { text: "Wat is de huidige status van de machine?", lang: "nl" },
];
