// Draws activities.

import { count, el, face, time } from "./dom.js";

export function drawActivity(activity) {
  const own = activity.audience === "you";
  return el("li", {},
    el("article", { class: own ? "activity mine" : "activity" },
      face(activity.display_name),
      el("div", {},
        byline(activity, own ? el("span", { class: "chip" }, "visible to you only") : null),
        el("p", { class: "message" }, activity.message),
        own ? null : el("p", { class: "counts" },
          el("span", {}, count(activity.likes, "like", "likes")),
          el("span", {}, count(activity.replies.length, "reply", "replies"))),
        activity.replies.length
          ? el("ul", { class: "replies" }, activity.replies.map((reply) => el("li", {}, byline(reply), el("p", { class: "message" }, reply.message))))
          : null,
      )));
}

function byline(post, extra = null) {
  return el("p", { class: "by" }, el("b", {}, post.display_name), el("span", {}, `@${post.handle}`), time(post.created_at), extra);
}
