import type { JsonSchema } from '../openapi-parts.ts';
import { type Html, html, inline } from './html.ts';

/** Where the page shows a component. */
export function anchorOf(name: string): string {
  return `schema-${name}`;
}

/** A schema: its type in a line, then its properties. */
export function showSchema(schema: JsonSchema): Html {
  return html`<p class="type">${typeOf(schema)}</p>${showProperties(schema)}`;
}

/** Its type in a few words; a component is linked. */
export function typeOf(schema: JsonSchema): Html {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.split('/').at(-1) ?? '';
    return html`<a href="#${anchorOf(name)}">${name}</a>`;
  }
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return join(choices.map((choice) => typeOf(asSchema(choice))));
  if (schema.const !== undefined) return html`<code>${JSON.stringify(schema.const)}</code>`;
  if (schema.enum !== undefined) return join(schema.enum.map((word) => html`<code>${JSON.stringify(word)}</code>`));
  const types = [schema.type ?? 'any'].flat().join(' or ');
  if (schema.type === 'array') return html`list of ${typeOf(itemOf(schema))}${boundsOf(schema)}`;
  return html`${types}${schema.format !== undefined && ` (${schema.format})`}${boundsOf(schema)}`;
}

/** The properties of an object, or of what a list holds. */
function showProperties(schema: JsonSchema): Html | undefined {
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return html`${choices.map((choice) => showProperties(asSchema(choice)))}`;
  if (schema.type === 'array') return showProperties(itemOf(schema));
  const properties = Object.entries(schema.properties ?? {});
  if (properties.length === 0) return undefined;
  const required = schema.required ?? [];
  return html`<dl>${properties.map(([name, property]) => showProperty(name, asSchema(property), required.includes(name)))}</dl>`;
}

function showProperty(name: string, schema: JsonSchema, isRequired: boolean): Html {
  const { description } = schema;
  return html`<div><dt><code>${name}</code> <span class="type">${typeOf(schema)}</span>${isRequired && html` <b>required</b>`}</dt><dd>${
    description !== undefined && html`<p>${inline(description)}</p>`
  }${showProperties(schema)}</dd></div>`;
}

function boundsOf(schema: JsonSchema): Html {
  const { minimum, maximum, minLength, maxLength, maxItems, pattern } = schema;
  const isTold = (bound: unknown): bound is number => typeof bound === 'number';
  const bounds = [
    isTold(minimum) && `from ${minimum}`,
    isTold(maximum) && `to ${maximum}`,
    isTold(minLength) && `at least ${minLength} characters`,
    isTold(maxLength) && `at most ${maxLength} characters`,
    isTold(maxItems) && `at most ${maxItems}`,
    schema.default !== undefined && `default ${JSON.stringify(schema.default)}`,
  ].filter((bound) => bound !== false);
  return html`${bounds.length > 0 && `, ${bounds.join(', ')}`}${pattern !== undefined && html`, <code>${pattern}</code>`}`;
}

function itemOf({ items }: JsonSchema): JsonSchema {
  return Array.isArray(items) ? {} : asSchema(items);
}

function asSchema(schema: JsonSchema | boolean | undefined): JsonSchema {
  return typeof schema === 'object' ? schema : {};
}

function join(types: readonly Html[]): Html {
  return html`${types.map((type, index) => html`${index > 0 && ' or '}${type}`)}`;
}
