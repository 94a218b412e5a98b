// Which page this is, by its address.

import { compare } from "./compare.js";
import { h, setText } from "./dom.js";
import { list } from "./list.js";
import { watch } from "./watch.js";

const main = document.getElementById("main");
const connection = (text) => setText(document.getElementById("connection"), text);
const run = location.pathname.match(/^\/run\/([^/]+)$/);

function pages() {
  const found = [["/runs", "Runs"], ...(run ? [[location.pathname, "This run"]] : []), ["/compare", "Compare"]];
  document.getElementById("pages").replaceChildren(
    ...found.map(([address, name]) =>
      h(
        "li",
        {},
        h(
          "a",
          {
            href: address === "/compare" && run ? `/compare?a=${run[1]}` : address,
            "aria-current": address === location.pathname && "page",
          },
          name,
        ),
      ),
    ),
  );
}

async function start() {
  pages();
  if (run) watch(main, decodeURIComponent(run[1]), connection);
  else if (location.pathname === "/compare") await compare(main, connection);
  else await list(main, connection);
}

start().catch((error) => {
  connection("not connected");
  main.replaceChildren(h("h1", {}, "This cannot be shown"), h("p", {}, error.message));
});
