// An answer's text as DOM nodes, by the same rules as the server's pages/answer_text.py. Nothing is ever parsed as HTML.

const LIST_ITEM = /^\s{0,3}(?:[-*•]|(\d{1,9})[.)])\s+(.*)$/;
const HEADING = /^#{1,6}\s+(.*)$/;
const FENCE = /^\s{0,3}```/;
const INLINE = /`([^`\n]+)`|\*\*(\S(?:[^\n]*?\S)?)\*\*|\[(\d{1,4}(?:\s*,\s*\d{1,4})*)\]/g;

/** Replace the element's content by the text; `hrefs` maps citation numbers to links. */
export function drawAnswer(element, text, hrefs) {
  element.replaceChildren(...blocksOf(text).map(([kind, lines]) => block(kind, lines, hrefs)));
}

function blocksOf(text) {
  const blocks = [];
  let kind = "";
  for (const line of text.split(/\r\n|\r|\n/)) {
    const [newKind, content] = classify(line, kind === "pre");
    if (newKind && newKind !== kind) blocks.push([newKind, []]);
    kind = newKind;
    if (kind && content !== null) blocks.at(-1)[1].push(content);
  }
  return blocks;
}

function classify(line, insideFence) {
  if (FENCE.test(line)) return insideFence ? ["", null] : ["pre", null];
  if (insideFence) return ["pre", line];
  if (!line.trim()) return ["", null];
  const heading = HEADING.exec(line.trim());
  if (heading) return ["h", heading[1]];
  const item = LIST_ITEM.exec(line);
  if (item) return [item[1] ? "ol" : "ul", item[2]];
  return ["p", line.trim()];
}

function block(kind, lines, hrefs) {
  if (kind === "pre") return node("pre", node("code", lines.join("\n")));
  if (kind === "ul" || kind === "ol") return node(kind, ...lines.map((line) => node("li", ...inline(line, hrefs))));
  if (kind === "h") return node("p", node("strong", ...lines.flatMap((line) => inline(line, hrefs))));
  return node("p", ...lines.flatMap((line, at) => [...(at ? [node("br")] : []), ...inline(line, hrefs)]));
}

function inline(text, hrefs) {
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(INLINE)) {
    parts.push(text.slice(end, match.index), ...span(match, hrefs));
    end = match.index + match[0].length;
  }
  parts.push(text.slice(end));
  return parts.filter((part) => part !== "");
}

function span([whole, code, bold, numbers], hrefs) {
  if (code !== undefined) return [node("code", code)];
  if (bold !== undefined) return [node("strong", ...inline(bold, hrefs))];
  const named = numbers.split(",").map(Number);
  if (!named.every((number) => hrefs.has(number))) return [whole];
  return named.flatMap((number, at) => [...(at ? [" "] : []), citation(number, hrefs.get(number))]);
}

function citation(number, href) {
  const link = node("a", String(number));
  link.className = "citation";
  link.href = href;
  link.dataset.number = String(number);
  return link;
}

function node(name, ...children) {
  const made = document.createElement(name);
  made.append(...children);
  return made;
}
