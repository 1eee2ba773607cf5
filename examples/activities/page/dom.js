// Creates elements. Text enters the document through `append` and `textContent` only, so text from a
// server or a token never becomes markup.

import { now } from "./token.js";

export function byId(id) {
  return document.getElementById(id);
}

export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

/** Returns a path that can wrap before each slash. */
export const breakable = (path) => path.split(/(?=\/)/).flatMap((part) => [el("wbr"), part]);

export function face(name, size = "") {
  if (!name) return el("span", { class: `face anonymous ${size}`, "aria-hidden": "true" }, "?");
  const letters = [...String(name)];
  const hue = letters.reduce((sum, letter) => sum + letter.codePointAt(0), 0) % 6;
  return el("span", { class: `face hue-${hue} ${size}`, "aria-hidden": "true" }, letters[0]);
}

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const absolute = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium" });
const UNITS = [["year", 31_557_600], ["month", 2_629_800], ["week", 604_800], ["day", 86_400], ["hour", 3600], ["minute", 60]];

function ago(seconds) {
  const distance = seconds - now();
  const [unit, size] = UNITS.find(([, length]) => Math.abs(distance) >= length) ?? ["second", 1];
  return relative.format(Math.round(distance / size), unit);
}

export function span(seconds) {
  const [unit, size] = UNITS.find(([, length]) => seconds >= length) ?? ["second", 1];
  const count = Math.round(seconds / size);
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

export function time(seconds) {
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) return document.createTextNode(String(seconds));
  return el("time", { datetime: date.toISOString(), title: absolute.format(date) }, ago(seconds));
}

export const count = (number, one, many) => `${number} ${number === 1 ? one : many}`;
export const show = (value) => (typeof value === "string" ? value : JSON.stringify(value));
