// The sources of an answer: cards from the server's own template, and the panel or sheet that shows them.

const words = () => document.getElementById("words").dataset;

/** Where a citation leads: the passage within its document, and from there back to this answer. */
export function hrefOf(passage, exchangeId, conversationId) {
  const query = new URLSearchParams({ passage: `${passage.start}-${passage.end}`, version: passage.version_id });
  if (conversationId) query.set("from", `${conversationId}.${exchangeId}`);
  return `/documents/${passage.document_id}?${query}#passage`;
}

/** The card of one source. */
export function card(passage, number, exchangeId) {
  const made = document.getElementById("source-template").content.firstElementChild.cloneNode(true);
  made.id = `${exchangeId}-source-${number}`;
  made.dataset.number = String(number);
  made.querySelector(".source-number").textContent = String(number);
  made.querySelector(".source-title").textContent = passage.title;
  made.querySelector(".source-path").textContent = passage.source;
  made.querySelector(".source-text").textContent = quoted(passage.text);
  made.querySelector(".source-place").textContent = placeOf(passage);
  made.querySelector(".badges").replaceChildren(
    copyOf(`classification-${passage.classification}`), " ", regionBadge(passage.region));
  return made;
}

/** Once it is known which words are cited, the card shows those. */
export function showCited(made, passage, start, end) {
  const words = passage.text.slice(start - passage.start, end - passage.start);
  if (words) made.querySelector(".source-text").textContent = quoted(words);
}

/** Put the cited sources first and the others behind their heading. */
export function arrange(exchange, cards, cited) {
  const citedCards = cards.filter((each) => cited.has(Number(each.dataset.number)));
  const others = cards.filter((each) => !cited.has(Number(each.dataset.number)));
  for (const each of cards) each.classList.toggle("cited", cited.has(Number(each.dataset.number)));
  exchange.querySelector(".cited-list").replaceChildren(...citedCards);
  exchange.querySelector(".considered-list").replaceChildren(...others);
  exchange.querySelector(".cited-title").hidden = !citedCards.length;
  const considered = exchange.querySelector(".considered");
  considered.hidden = !others.length;
  considered.open = !citedCards.length;
  considered.querySelector(".label").textContent = citedCards.length ? words().considered : words().found;
  considered.querySelector(".count").textContent = String(others.length || "");
  exchange.querySelector(".sources-none").hidden = cards.length > 0;
  exchange.querySelector(".show-sources .count").textContent = String(cards.length || "");
}

/** Say what was searched. */
export function tellSearched(exchange, sources) {
  exchange.querySelector(".searched").hidden = false;
  exchange.querySelector(".searched-text").textContent = words()
    .searched.replace("{documents}", sources.searched_documents)
    .replace("{collections}", sources.searched_collections);
}

/** The badges that say what made the answer, and where. */
export function tellMadeBy(exchange, generator, region) {
  const made = copyOf(generator === "extractive" ? "extractive-template" : "generator-template");
  if (generator !== "extractive") made.textContent = generator;
  exchange.querySelector(".made-by .badges").replaceChildren(made, " ", regionBadge(region));
}

/** Show one exchange's sources in the panel. */
export function makeCurrent(exchange) {
  for (const each of document.querySelectorAll(".exchange.current")) each.classList.remove("current");
  exchange?.classList.add("current");
}

/** The sheet of narrow windows. Focus goes into it and comes back to where it was. */
export function openSheet(exchange) {
  makeCurrent(exchange);
  document.body.classList.add("sheet-open");
  exchange.querySelector(".close-sources").focus();
}

export function closeSheet() {
  if (!document.body.classList.contains("sheet-open")) return;
  document.body.classList.remove("sheet-open");
  document.querySelector(".exchange.current .show-sources")?.focus();
}

/** While a citation is pointed at or focused: its card is lit, and a preview is beside it. */
export function preview(link) {
  const source = cardOf(link);
  const box = document.getElementById("preview");
  if (!source) return;
  source.classList.add("hinted");
  if (source.offsetParent) source.scrollIntoView({ block: "nearest" });
  box.querySelector(".preview-title").textContent = source.querySelector(".source-title").textContent;
  box.querySelector(".preview-text").textContent = source.querySelector(".source-text").textContent;
  box.hidden = false;
  link.setAttribute("aria-describedby", "preview");
  const at = link.getBoundingClientRect();
  const below = at.bottom + 8 + box.offsetHeight < innerHeight;
  box.style.left = `${Math.max(16, Math.min(at.left, innerWidth - box.offsetWidth - 16))}px`;
  box.style.top = `${below ? at.bottom + 8 : at.top - box.offsetHeight - 8}px`;
}

export function endPreview(link) {
  cardOf(link)?.classList.remove("hinted");
  link.removeAttribute("aria-describedby");
  document.getElementById("preview").hidden = true;
}

function cardOf(link) {
  const exchange = link.closest(".exchange");
  return document.getElementById(`${exchange?.id}-source-${link.dataset.number}`);
}

function placeOf(passage) {
  const headings = passage.headings[0] === passage.title ? passage.headings.slice(1) : passage.headings;
  const page = passage.page ? words().page.replace("{n}", passage.page) : "";
  // A table's own header row is for the answer, not for finding the place.
  const places = headings.filter((each) => !each.startsWith("| "));
  return [places.join(" \u203a "), page].filter(Boolean).join(", ");
}

// The same as the server's pages/quote.py.
function quoted(text) {
  return text.split(/\r\n|\r|\n/)
    .filter((line) => !/^\s*\|?[\s:|-]*-[\s:|-]*\|?\s*$/.test(line))
    .map(quotedLine).filter(Boolean).join("\n");
}

function quotedLine(line) {
  const bare = line.replace(/^\s{0,3}(?:#{1,6}\s+|>\s?)/, "").replace(/\*\*|__|`|(?<![\w*])\*(?=\S)|(?<=\S)\*(?![\w*])/g, "")
    .replace(/!?\[([^\]\n]*)\]\([^)\n]*\)/g, "$1").trim();
  if (!bare.startsWith("|")) return bare;
  return bare.split("|").map((cell) => cell.trim()).filter(Boolean).join(" · ");
}

function regionBadge(name) {
  const made = copyOf("region-template");
  made.textContent = name;
  return made;
}

function copyOf(templateId) {
  return document.getElementById(templateId).content.firstElementChild.cloneNode(true);
}
