// Shows /api/openapi.json: the operations by tag, each with its parameters, body, answer and a call to copy.

const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== undefined && child !== ""));
  return element;
};

const text = (value) => document.createTextNode(value ?? "");

// Prose: what stands between backticks is code.
const prose = (value) => make("span", {}, ...value.split("`").map((part, index) => (index % 2 ? make("code", {}, text(part)) : text(part))));

let api;

const resolve = (schema) => (schema.$ref ? api.components.schemas[schema.$ref.split("/").pop()] : schema);
const nameOf = (schema) => (schema.$ref ? schema.$ref.split("/").pop() : "");

function typeOf(schema) {
  if (schema.$ref) return nameOf(schema);
  if (schema.type === "array") return `${typeOf(schema.items)}[]`;
  if (schema.type === "object" && typeof schema.additionalProperties === "object") return `{ [key]: ${typeOf(schema.additionalProperties)} }`;
  return schema.format ? `${schema.type} (${schema.format})` : schema.type;
}

function limitsOf(schema) {
  const told = [];
  if (schema.readOnly) told.push("read only");
  if (schema.maxLength) told.push(`at most ${schema.maxLength} characters`);
  if (schema.minimum !== undefined) told.push(`from ${schema.minimum}`);
  if (schema.maximum !== undefined) told.push(`to ${schema.maximum}`);
  if (schema.maxItems) told.push(`at most ${schema.maxItems} entries`);
  if (schema.pattern) told.push(schema.pattern);
  return told.join(", ");
}

function row(name, schema, required, about) {
  const told = [about ?? schema.description, limitsOf(schema)].filter(Boolean).join(" — ");
  return make("tr", {}, make("td", {}, make("code", {}, text(name)), required ? text(" *") : ""), make("td", {}, make("code", {}, text(typeOf(schema)))), make("td", {}, prose(told)));
}

function table(...rows) {
  return make("table", {}, make("thead", {}, make("tr", {}, ...["Name", "Type", "Meaning"].map((head) => make("th", {}, text(head))))), make("tbody", {}, ...rows));
}

// The fields of a schema, and below it, folded, those of the schemas it refers to.
function fields(schema, seen = new Set()) {
  const shown = resolve(schema);
  const name = nameOf(schema);
  if (name) seen.add(name);
  if (shown.enum) return make("p", {}, make("code", {}, text(shown.enum.join(" | "))));
  if (!shown.properties || Object.keys(shown.properties).length === 0) return make("p", { class: "note" }, text("No fields."));
  const block = make("div", {}, shown.description ? make("p", { class: "note" }, prose(shown.description)) : "", table(...Object.entries(shown.properties).map(([key, value]) => row(key, value, shown.required?.includes(key)))));
  for (const value of Object.values(shown.properties)) {
    const inner = value.items ?? (typeof value.additionalProperties === "object" ? value.additionalProperties : value);
    if (inner.$ref && !seen.has(nameOf(inner))) block.append(make("details", {}, make("summary", {}, text(nameOf(inner))), fields(inner, seen)));
  }
  return block;
}

function example(schema, depth = 0) {
  const shown = resolve(schema);
  if (shown.enum) return shown.enum[1] ?? shown.enum[0];
  if (shown.type === "array") return [];
  if (shown.type === "object") {
    const wanted = Object.entries(shown.properties ?? {}).filter(([key, value]) => !value.readOnly && (shown.required?.includes(key) || (depth === 0 && value.$ref === undefined && value.type !== "object" && key !== "etag")));
    return Object.fromEntries(wanted.map(([key, value]) => [key, example(value, depth + 1)]));
  }
  return { string: "…", integer: 1, number: 1, boolean: true }[shown.type] ?? null;
}

function call(verb, path, operation) {
  const lines = [`curl${verb === "get" ? "" : ` -X ${verb.toUpperCase()}`} ${location.origin}${path}`];
  if (operation.security.length) lines.push('-H "Authorization: Bearer $TOKEN"');
  const body = operation.requestBody?.content["application/json"].schema;
  if (body) lines.push("-H 'Content-Type: application/json'", `-d '${JSON.stringify(example(body))}'`);
  return make("pre", {}, text(lines.join(" \\\n  ")));
}

function section(verb, path, operation) {
  const [status, answer] = Object.entries(operation.responses)[0];
  const [mediaType, content] = Object.entries(answer.content)[0];
  const body = operation.requestBody?.content["application/json"].schema;
  return make(
    "section",
    { id: operation.operationId },
    make("h3", {}, text(operation.summary)),
    make("p", { class: "route" }, make("span", { class: `verb ${verb}` }, text(verb.toUpperCase())), text(" "), make("code", {}, text(path))),
    operation.description ? make("p", {}, prose(operation.description)) : "",
    operation.parameters.length ? make("details", { open: "" }, make("summary", {}, text("Parameters")), table(...operation.parameters.map((p) => row(`${p.name} (${p.in})`, p.schema, p.required, p.description)))) : "",
    body ? make("details", {}, make("summary", {}, text("Body")), fields(body)) : "",
    make("details", {}, make("summary", {}, text(`Answer ${status} ${mediaType}`)), fields(content["x-event-data"] ?? content.schema)),
    make("details", {}, make("summary", {}, text("Call")), call(verb, path, operation)),
  );
}

async function show() {
  const response = await fetch("/api/openapi.json");
  api = await response.json();
  const main = document.getElementById("main");
  const contents = document.getElementById("contents");
  main.replaceChildren(make("h1", {}, text(`${api.info.title} API ${api.info.version}`)), make("p", {}, prose(api.info.description)), make("p", {}, make("a", { href: "/api/openapi.json" }, text("openapi.json"))));
  for (const tag of api.tags) {
    main.append(make("h2", {}, text(tag.name)), make("p", { class: "note" }, prose(tag.description)));
    contents.append(make("h2", {}, text(tag.name)));
    for (const [path, operations] of Object.entries(api.paths))
      for (const [verb, operation] of Object.entries(operations)) {
        if (!operation.tags.includes(tag.name)) continue;
        main.append(section(verb, path, operation));
        contents.append(make("a", { href: `#${operation.operationId}` }, text(operation.summary)));
      }
  }
  document.getElementById("find").addEventListener("input", (event) => {
    const wanted = event.target.value.toLowerCase();
    for (const link of contents.querySelectorAll("a")) link.hidden = !link.textContent.toLowerCase().includes(wanted);
  });
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

try {
  await show();
} catch (error) {
  document.getElementById("main").replaceChildren(make("p", {}, text(`The description could not be read: ${error}`)));
}
