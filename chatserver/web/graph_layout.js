/**
 * Where the nodes of a tree are drawn. Pure: the same tree always has the same places.
 *
 * Wide: the centre in the middle, its branches to both sides, a column for each depth. Narrow: an outline, each node
 * under its parent and further to the right. Siblings that hang on their parent in the same way stand together, under
 * one heading that says how.
 *
 * @typedef {{id: string, label: string, kind: string, depth: number, parent: ?string, words: string, n?: number}} Node
 * @typedef {{x: number, y: number, width: number, side: -1|0|1}} Place `x`, `y`: the node's mark; `width` of mark and
 *   label, which stand on `side`
 * @typedef {{places: Map<string, Place>, headings: {x: number, y: number, side: -1|1, text: string}[],
 *   box: {left: number, top: number, width: number, height: number}}} Layout
 */

const ROW = 26;
const HEADING = 21;
const GAP = 48;
const INDENT = 22;
const MARGIN = 18;

/** @param {Node[]} nodes centre first, each after its parent @returns {Map<?string, Node[]>} */
export function childrenOf(nodes) {
  const children = new Map(nodes.map(({ id }) => [id, []]));
  for (const node of nodes.slice(1)) children.get(node.parent).push(node);
  return children;
}

/**
 * @param {Node[]} nodes
 * @param {{node: (node: Node) => number, heading: (text: string) => number}} widths `node`: of mark and label
 * @returns {Layout}
 */
export function mindMap(nodes, widths) {
  const [centre] = nodes;
  const children = childrenOf(nodes);
  const half = widths.node(centre) / 2;
  const layout = { places: new Map([[centre.id, { x: 0, y: 0, width: 2 * half, side: 0 }]]), headings: [] };
  const [right, left] = halves(children.get(centre.id), children);
  placeSide(layout, right, { side: 1, from: half, children, widths });
  placeSide(layout, left, { side: -1, from: half, children, widths });
  return { ...layout, box: boxOf(layout, widths) };
}

/** As `mindMap`. */
export function outline(nodes, widths) {
  const layout = { places: new Map(), headings: [] };
  const before = new Map();
  let y = 0;
  for (const node of nodes) {
    const x = node.depth * INDENT;
    if (node.parent !== null && before.get(node.parent) !== node.words) {
      layout.headings.push({ x, y, side: 1, text: node.words });
      before.set(node.parent, node.words);
      y += HEADING;
    }
    layout.places.set(node.id, { x, y, width: widths.node(node), side: node.parent === null ? 0 : 1 });
    y += ROW;
  }
  const centre = layout.places.get(nodes[0].id);
  centre.x = centre.width / 2 - 8; // its label is in its middle
  return { ...layout, box: boxOf(layout, widths) };
}

/** The branches of the centre for its right and its left, about as high as each other, in their order. */
function halves(branches, children) {
  const heights = branches.map((branch) => leaves(branch, children));
  const all = heights.reduce((sum, height) => sum + height, 0);
  let above = 0;
  const cut = heights.findIndex((height) => (above += height) >= all / 2) + 1;
  return [branches.slice(0, cut), branches.slice(cut)];
}

const leaves = (node, children) =>
  Math.max(
    1,
    children.get(node.id).reduce((sum, child) => sum + leaves(child, children), 0),
  );

function placeSide(layout, branches, { side, from, children, widths }) {
  const columns = columnWidths(branches, children, widths);
  const starts = columns.map((_, depth) => columns.slice(0, depth).reduce((x, width) => x + width + GAP, from + GAP));
  let y = 0;

  /** Places siblings and all below them; gives the height in the middle of the first and the last. */
  function place(siblings, depth) {
    const heights = siblings.map((node, index) => {
      const headed = node.words !== siblings[index - 1]?.words;
      if (headed) y += HEADING;
      const below = children.get(node.id);
      const height = below.length > 0 ? place(below, depth + 1) : y;
      if (below.length === 0) y += ROW;
      if (headed) layout.headings.push({ x: side * starts[depth], y: height - HEADING, side, text: node.words });
      layout.places.set(node.id, { x: side * starts[depth], y: height, width: widths.node(node), side });
      return height;
    });
    return (heights[0] + heights.at(-1)) / 2;
  }

  const placesBefore = new Set(layout.places.keys());
  const headingsBefore = layout.headings.length;
  if (branches.length > 0) place(branches, 0);
  const shift = -(y - ROW) / 2;
  for (const [id, at] of layout.places) if (!placesBefore.has(id)) at.y += shift;
  for (const heading of layout.headings.slice(headingsBefore)) heading.y += shift;
}

/** The widest label or heading of each depth. */
function columnWidths(branches, children, widths) {
  const columns = [];
  for (let level = branches; level.length > 0; level = level.flatMap(({ id }) => children.get(id)))
    columns.push(Math.max(...level.map((node) => Math.max(widths.node(node), widths.heading(node.words)))));
  return columns;
}

function boxOf({ places, headings }, widths) {
  const ends = [...places.values()].flatMap(({ x, width, side }) =>
    side === 0 ? [x - width / 2, x + width / 2] : [x, x + side * width],
  );
  for (const { x, side, text } of headings) ends.push(x + side * widths.heading(text));
  const heights = [...places.values(), ...headings].map(({ y }) => y);
  const [left, top] = [Math.min(...ends) - MARGIN, Math.min(...heights) - MARGIN - 8];
  return {
    left,
    top,
    width: Math.max(...ends) + MARGIN - left,
    height: Math.max(...heights) + MARGIN + 8 - top,
  };
}
