import type { OpenApi } from '../openapi.ts';
import type { Answer, Content, Header, Headers, Operation, Parameter, Reference } from '../openapi-parts.ts';
import { curlOf } from './curl.ts';
import { type Html, html, inline } from './html.ts';
import { showSchema, typeOf } from './schema.ts';

type Components = OpenApi['components'];

/** One operation, folded; a link to its id unfolds it. */
export function showOperation(
  place: { readonly method: string; readonly path: string; readonly hasHead: boolean },
  operation: Operation,
  components: Components,
): Html {
  const { method, path, hasHead } = place;
  const { operationId, summary, parameters = [], requestBody, security } = operation;
  return html`<details>
<summary><h3><span class="method ${method}">${method.toUpperCase()}</span> <code class="path">${breakable(path)}</code></h3> <span class="what">${inline(summary)}</span></summary>
<div id="${operationId}">
<p class="facts"><a href="#${operationId}">${operationId}</a> · ${security === undefined ? 'asks for credentials' : 'asks for no credentials'}${hasHead && html` · <code>HEAD</code> answers the same without the body`}</p>
${parameters.length > 0 && html`<h4>Parameters</h4><dl>${parameters.map(showParameter)}</dl>`}
${requestBody !== undefined && html`<h4>Body${!requestBody.required && ', optional'}</h4>${showContent(requestBody.content)}`}
<h4>Example</h4>
<pre tabindex="0" aria-label="curl for ${operationId}"><code>${curlOf(method, path, operation)}</code></pre>
${requestBody !== undefined && showFile(requestBody.content)}
<h4>Answers</h4>
<dl>${Object.entries(operation.responses).map(([status, answer]) => showAnswer(status, resolve(answer, components.responses), components.headers))}</dl>
</div>
</details>
`;
}

function showParameter({ name, in: place, required, schema, description }: Parameter): Html {
  return html`<div><dt><code>${name}</code> <span class="type">${place}, ${typeOf(schema)}</span>${required && html` <b>required</b>`}</dt><dd><p>${inline(description)}</p>${schema.properties !== undefined && showSchema(schema)}</dd></div>`;
}

function showAnswer(status: string, { description, content, headers = {} }: Answer, shared: Headers): Html {
  const named = Object.entries(headers).filter(([, header]) => !('$ref' in header));
  return html`<div><dt><b class="status s${status.slice(0, 1)}">${status}</b> ${inline(description)}</dt><dd>${
    content !== undefined && showContent(content)
  }${
    named.length > 0 && html`<dl>${named.map(([name, header]) => showHeader(name, resolve(header, shared)))}</dl>`
  }</dd></div>`;
}

function showHeader(name: string, { description }: Header): Html {
  return html`<div><dt><code>${name}</code> <span class="type">header</span></dt><dd><p>${inline(description)}</p></dd></div>`;
}

function showContent(content: Content): Html {
  return html`${Object.entries(content).map(([type, { schema }]) => html`<p class="media">${type}</p>${showSchema(schema)}`)}`;
}

/** The text of the example's file. */
function showFile(content: Content): Html | undefined {
  const file: unknown = Reflect.get(Object(content['multipart/form-data']?.example), 'file');
  if (typeof file !== 'string') return undefined;
  return html`<p class="media">rows.csv</p><pre tabindex="0" aria-label="rows.csv"><code>${file}</code></pre>`;
}

function resolve<Part extends object>(
  part: Part | Reference,
  shared: Readonly<Record<string, Part | Reference>>,
): Part {
  if (!('$ref' in part)) return part;
  const found = shared[part.$ref.split('/').at(-1) ?? ''];
  if (found === undefined || '$ref' in found) throw new Error(`${part.$ref} leads nowhere`);
  return found;
}

/** A long path may go on in the next line after each slash. */
function breakable(path: string): Html {
  return html`${path.split('/').map((part, index) => html`${index > 0 && html`/<wbr>`}${part}`)}`;
}
