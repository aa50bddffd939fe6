// The chat: sends the question, draws the answer while it arrives, and keeps every way that it can end in words.

import { drawAnswer } from "./answer.js";
import { eventsOf } from "./events.js";
import {
  arrange, card, closeSheet, endPreview, hrefOf, makeCurrent, openSheet, preview, showCited, tellMadeBy, tellSearched,
} from "./sources.js";

const form = document.getElementById("ask-form");
const field = document.getElementById("composer");
const askButton = form.querySelector(".ask");
const stopButton = form.querySelector(".stop");
const words = document.getElementById("words").dataset;
const scroller = document.getElementById("main");
let running = null;

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const question = event.submitter?.name === "example" ? event.submitter.value : field.value;
  ask(question);
});

field.addEventListener("input", fitField);
field.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  if (!running) form.requestSubmit(askButton);
});
stopButton.addEventListener("click", () => running?.abort());

async function ask(question) {
  const collections = chosenCollections();
  if (!question.trim()) return complain(words.empty);
  if (collections && !collections.length) return complain(words.choose);
  if (running) return undefined;
  complain("");
  const exchange = begin(question);
  const answer = { text: "", cards: [], hrefs: new Map(), cited: new Set(), finished: false };
  running = new AbortController();
  setBusy(true);
  try {
    await receive(exchange, answer, question, collections, running.signal);
  } catch (error) {
    if (running.signal.aborted) end(exchange, "stopped");
    else if (error instanceof Problem) explain(exchange, answer, error.details, question);
    else end(exchange, "lost", question);
  } finally {
    running = null;
    setBusy(false);
  }
  return undefined;
}

async function receive(exchange, answer, question, collections, signal) {
  const response = await fetch("/v1/answers", {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      Accept: "text/event-stream",
      "X-CSRF-Token": document.querySelector("meta[name=csrf-token]").content,
    },
    body: JSON.stringify({ question, collections, conversation_id: form.conversation_id.value || null }),
    signal,
  });
  if (!response.ok) throw new Problem(await response.json());
  for await (const { name, data } of eventsOf(response)) {
    if (name === "error") throw new Problem(data);
    handlers[name]?.(exchange, answer, data, question);
  }
  if (!answer.finished) throw new TypeError("the stream ended early");
}

const handlers = {
  sources(exchange, answer, data, question) {
    exchange.id = `e${data.answer_id}`;
    answer.sources = data;
    data.passages.forEach((passage, at) => {
      answer.cards.push(card(passage, at + 1, exchange.id));
      point(exchange, answer, at + 1, passage.start, passage.end);
    });
    arrange(exchange, answer.cards, answer.cited);
    tellSearched(exchange, data);
    tellMadeBy(exchange, data.generator, data.region);
    if (data.conversation_id) remember(data.conversation_id, question);
    const n = data.passages.length;
    step(exchange, "reading", (n === 1 ? words.readingOne : words.reading).replace("{n}", n));
  },
  delta(exchange, answer, data) {
    if (!answer.text) step(exchange, "answering");
    answer.text += data.text;
    drawSoon(exchange, answer);
  },
  citations(exchange, answer, data) {
    answer.cited = new Set(data.citations.map((each) => each.number));
    for (const { number, start, end } of data.citations) point(exchange, answer, number, start, end);
    arrange(exchange, answer.cards, answer.cited);
  },
  receipt(exchange, _answer, data) {
    const details = exchange.querySelector(".receipt");
    details.querySelector("pre").textContent = JSON.stringify(data.receipt, null, 1);
    details.hidden = false;
  },
  done(exchange, answer, data) {
    answer.finished = true;
    draw(exchange, answer);
    end(exchange, data.answered ? "answered" : "nothing");
    announce(`${words.done}. ${exchange.querySelector(".answer").textContent}`);
  },
};

/** Let a citation and its card lead to these characters: the whole passage at first, the cited words once they are known. */
function point(exchange, answer, number, start, end) {
  const passage = answer.sources.passages[number - 1];
  const href = hrefOf({ ...passage, start, end }, exchange.id, answer.sources.conversation_id);
  answer.hrefs.set(number, href);
  answer.cards[number - 1].querySelector(".source-link").href = href;
  showCited(answer.cards[number - 1], passage, start, end);
}

// --- Drawing ---------------------------------------------------------------------------------------------------------

function begin(question) {
  const exchange = document.getElementById("exchange-template").content.firstElementChild.cloneNode(true);
  exchange.id = "asking";
  exchange.dataset.state = "working";
  exchange.querySelector(".question-text").textContent = question;
  exchange.querySelector(".sources-none").hidden = true;
  document.querySelector(".welcome").hidden = true;
  document.body.classList.remove("is-empty");
  document.querySelector(".exchanges").append(exchange);
  makeCurrent(exchange);
  step(exchange, "searching");
  field.value = "";
  fitField();
  exchange.scrollIntoView({ block: "start" });
  return exchange;
}

function step(exchange, name, label) {
  let past = true;
  for (const each of exchange.querySelectorAll(".steps li")) {
    const now = each.dataset.step === name;
    if (now && label) each.textContent = label;
    if (now) announce(each.textContent);
    if (now) past = false;
    each.classList.toggle("now", now);
    each.classList.toggle("past", past);
  }
}

function drawSoon(exchange, answer) {
  if (answer.waiting) return;
  answer.waiting = true;
  requestAnimationFrame(() => {
    answer.waiting = false;
    if (!answer.finished) draw(exchange, answer);
  });
}

function draw(exchange, answer) {
  const atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 80;
  drawAnswer(exchange.querySelector(".answer"), answer.text, answer.hrefs);
  if (atEnd) scroller.scrollTop = scroller.scrollHeight;
}

// --- Ends ------------------------------------------------------------------------------------------------------------

class Problem extends Error {
  constructor(details) {
    super(details.title);
    this.details = details;
  }
}

function end(exchange, state, question) {
  exchange.dataset.state = state;
  if (state === "answered") return null;
  const template = document.getElementById(`notice-${state}`);
  const notice = template.content.firstElementChild.cloneNode(true);
  if (question) notice.append(retry(question));
  exchange.querySelector(".notices").replaceChildren(notice);
  announce(notice.textContent);
  return notice;
}

function explain(exchange, answer, problem, question) {
  const slug = problem.type.split(":").at(-1);
  if (answer.text) draw(exchange, answer);
  if (problem.status === 401) return void end(exchange, "expired").append(signIn());
  if (problem.status === 403 && slug !== "csrf-rejected") {
    const notice = end(exchange, "refused");
    if (problem.policies?.length) notice.append(line(`${words.rule}: ${problem.policies.join(", ")}`));
    return undefined;
  }
  if (slug === "model-stream-broken") return void end(exchange, "cut", question);
  if (slug.startsWith("model-")) return void end(exchange, answer.text ? "cut" : "model", question);
  const notice = end(exchange, "failed", problem.status >= 500 ? question : "");
  const known = words[slug.replace(/-(.)/g, (_, letter) => letter.toUpperCase())];
  const family = problem.status === 500 ? words.internal : problem.status > 500 ? words.unavailable : `${problem.detail} ${problem.hint}`;
  notice.querySelector(".notice-text").textContent = known ?? family;
  if (problem.status >= 500) notice.append(line(`${words.request}: ${problem.instance}`));
  return undefined;
}

function retry(question) {
  const actions = document.createElement("p");
  actions.className = "notice-actions";
  actions.append(document.getElementById("retry-template").content.firstElementChild.cloneNode(true));
  actions.firstElementChild.addEventListener("click", () => ask(question));
  return actions;
}

function signIn() {
  return document.getElementById("sign-in-template").content.firstElementChild.cloneNode(true);
}

function line(text) {
  const made = document.createElement("p");
  made.className = "muted";
  made.textContent = text;
  return made;
}

// --- Around it -------------------------------------------------------------------------------------------------------

function setBusy(busy) {
  askButton.hidden = busy;
  stopButton.hidden = !busy;
  if (busy) stopButton.focus();
  else field.focus();
}

function chosenCollections() {
  const boxes = [...document.querySelectorAll(".collections input")];
  const chosen = boxes.filter((box) => box.checked).map((box) => box.value);
  return chosen.length === boxes.length ? null : chosen;
}

function remember(conversationId, question) {
  if (form.conversation_id.value === conversationId) return;
  form.conversation_id.value = conversationId;
  history.replaceState(null, "", `/conversations/${conversationId}`);
  for (const link of document.querySelectorAll(".history-list [aria-current]")) link.removeAttribute("aria-current");
  const link = document.createElement("a");
  link.href = `/conversations/${conversationId}`;
  link.textContent = question;
  link.setAttribute("aria-current", "page");
  const item = document.createElement("li");
  item.append(link);
  document.querySelector(".history-list").prepend(item);
  document.querySelector(".history-empty").hidden = true;
}

function complain(sentence) {
  const notice = form.querySelector(".composer-notice");
  notice.textContent = sentence;
  notice.hidden = !sentence;
}

function announce(sentence) {
  document.getElementById("announcer").textContent = sentence;
}

function fitField() {
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight}px`;
}

document.addEventListener("click", async (event) => {
  const exchange = event.target.closest(".exchange");
  if (event.target.closest(".show-sources")) openSheet(exchange);
  else if (event.target.closest(".close-sources")) closeSheet();
  else if (event.target.closest(".copy")) await copy(exchange, event.target.closest(".copy"));
  else if (exchange && !event.target.closest(".sources")) makeCurrent(exchange);
  else if (!exchange && document.body.classList.contains("sheet-open")) closeSheet();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") closeSheet();
});
for (const [begins, ends] of [["pointerover", "pointerout"], ["focusin", "focusout"]]) {
  document.addEventListener(begins, (event) => event.target.closest?.(".citation") && preview(event.target.closest(".citation")));
  document.addEventListener(ends, (event) => event.target.closest?.(".citation") && endPreview(event.target.closest(".citation")));
}

async function copy(exchange, button) {
  await navigator.clipboard.writeText(exchange.querySelector(".answer").innerText);
  button.textContent = words.copied;
  announce(words.copied);
  setTimeout(() => { button.textContent = words.copy; }, 2000);
}

const filter = document.querySelector(".history-filter");
filter.addEventListener("input", () => {
  const wanted = filter.value.trim().toLocaleLowerCase();
  for (const item of document.querySelectorAll(".history-list li")) {
    item.hidden = !item.textContent.toLocaleLowerCase().includes(wanted);
  }
});

const target = location.hash.startsWith("#e") ? document.getElementById(location.hash.slice(1)) : null;
makeCurrent(target ?? [...document.querySelectorAll(".exchanges .exchange")].at(-1));
if (target) target.scrollIntoView({ block: "start" });
else if (document.querySelector(".exchanges .exchange")) scroller.scrollTop = scroller.scrollHeight;
