import type { OpenApi } from '../openapi.ts';
import { type Html, html, paragraphs } from './html.ts';
import { showOperation } from './operation.ts';
import { anchorOf, showSchema } from './schema.ts';
import { style } from './style.ts';

/** The document as one page that loads nothing and runs nothing. */
export function renderDocs(document: OpenApi): string {
  const { info, tags, components } = document;
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="description" content="Every path, parameter, body and answer of bulkcast's REST doors">
<title>${info.title}</title>
<link rel="icon" href="data:,">
<style>${{ html: style }}</style>
</head>
<body>
<a class="skip" href="#paths">Skip to the paths</a>
<header>
<h1>${info.title}</h1>
${paragraphs(info.description)}
<nav aria-label="Elsewhere"><a href="/openapi.json">OpenAPI 3.1 document</a> <a href="/graphql">GraphiQL, the browser's door to GraphQL</a> <a href="#schemas">Schemas of bodies</a></nav>
${credentials}
</header>
<nav aria-label="Groups of paths" class="groups">${tags.map(({ name }) => html`<a href="#${idOf(name)}">${name}</a> `)}</nav>
<main id="paths">
${tags.map((tag) => showGroup(tag, document))}
<section id="schemas">
<h2>Schemas</h2>
${Object.entries(components.schemas).map(
  ([
    name,
    schema,
  ]) => html`<details><summary><h3>${name}</h3></summary><div id="${anchorOf(name)}">${showSchema(schema)}</div></details>
`,
)}
</section>
</main>
<footer><p>Told by the gateway that answers this page; nothing of it is loaded from elsewhere.</p></footer>
</body>
</html>
`;
  return page.html;
}

const credentials = html`<h2>Credentials and examples</h2>
<p>Send the headers <code>X-App-Id</code> and <code>X-App-Token</code>, or <code>Authorization: Bearer</code> with a token of
<a href="#token"><code>POST /v2/token</code></a>. GraphQL takes the same. The examples are for a shell in which these are set, and
<code>$TASK_ID</code> and the like to what stands in the path:</p>
<pre tabindex="0" aria-label="Variables of the examples"><code>URL=http://localhost:4000
APP_ID=…
APP_TOKEN=…
TOKEN=$(curl -sS $URL/v2/token -d username=… -d password=… | jq -r .accessToken)
curl -sS $URL/graphql -H "X-App-Id: $APP_ID" -H "X-App-Token: $APP_TOKEN" -H 'Content-Type: application/json' \\
  -d '{"query":"{ bulkTasks(first: 5) { nodes { ... on TaskProgress { id state progress } } } }"}'</code></pre>`;

function showGroup({ name, description }: OpenApi['tags'][number], { paths, components }: OpenApi): Html {
  const operations = Object.entries(paths).flatMap(([path, methods]) => {
    const told = Object.entries(methods).filter(([method, { tags }]) => method !== 'head' && tags?.includes(name));
    return told.map(([method, operation]) => {
      return showOperation({ method, path, hasHead: method === 'get' && 'head' in methods }, operation, components);
    });
  });
  return html`<section id="${idOf(name)}">
<h2>${name}</h2>
<p>${description}</p>
${operations}
</section>
`;
}

function idOf(tag: string): string {
  return `tag-${tag.toLowerCase().replaceAll(' ', '-')}`;
}
