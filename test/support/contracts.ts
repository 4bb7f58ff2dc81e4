import { readFileSync } from 'node:fs';
import { Ajv2020, type AnySchema, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

/** Throws unless the body is what the bulk-issuance contract says of this component, such as `BulkIssuanceTaskStatus`. */
export function checkIssuance(component: string, body: unknown): void {
  check(issuance(component), body);
}

/** Throws unless the body is what the async-action contract says of this component, such as `AsyncActionGetResponseBody`. */
export function checkAsyncAction(component: string, body: unknown): void {
  check(asyncAction(component), body);
}

/** Throws unless the result is what the async-action contract says of this type, such as `VOUCHERS.IMPORT`. */
export function checkResult(type: string, result: unknown): void {
  const component = asyncActionTypes[type]?.result_schema;
  if (component === undefined) throw new Error(`the contract knows no type ${type}`);
  check(asyncAction(component), result);
}

// biome-ignore lint/suspicious/noExplicitAny: a document of the contract, patched by hand
type Document = any;

const issuanceDocument = read('loyaltydog');
const asyncActionDocument = corrected(read('voucherify-async'));
/** The two contracts, without the defects that they name themselves. */
export const contracts = { loyaltydog: issuanceDocument, 'voucherify-async': asyncActionDocument } as const;
const asyncActionTypes: Record<string, { result_schema: string }> = asyncActionDocument['x-async-types'];
const issuance = openDocument(issuanceDocument);
const asyncAction = openDocument(asyncActionDocument);

function read(name: string): Document {
  return JSON.parse(readFileSync(new URL(`../contracts/${name}.openapi.json`, import.meta.url), 'utf8'));
}

/** The defects that section 8 of the contract names, and the nulls that its sections 4.6 and 5.1 ask for. */
function corrected(document: Document): Document {
  const { schemas } = document.components;
  for (const name of ['vouchers_import', 'orders_import']) {
    const { properties } = schemas[`17_res_obj_get_async_action_result_${name}`];
    properties.failed = { type: 'array', items: properties.failed };
  }
  // Section 1.1: the official example has an order without a source id.
  const { failed } = schemas['17_res_obj_get_async_action_result_orders_import'].properties;
  failed.items.properties.source_id.type = ['string', 'null'];
  // Every official example fails the `oneOf` over all types: results are checked by their type.
  delete schemas.AsyncAction.allOf[1].properties.result.oneOf;
  for (const name of ['VoucherBase', 'VoucherAssets', 'CustomerBase']) allowNulls(schemas[name]);
  allowTypelessNulls(schemas.CustomerWithSummaryLoyaltyReferrals);
  return document;
}

/** Voucher objects carry explicit nulls, as the provider's production copy of the description says of each property. */
function allowNulls(schema: Document): void {
  for (const [name, property] of Object.entries<Document>(schema.properties ?? {})) {
    allowNulls(property);
    schema.properties[name] = { anyOf: [property, { type: 'null' }] };
  }
}

/** JSON Schema knows no `nullable` beside an `allOf`. */
function allowTypelessNulls({ allOf }: Document): void {
  for (const { properties = {} } of allOf) {
    for (const [name, { nullable, ...schema }] of Object.entries<Document>(properties)) {
      if (nullable && schema.type === undefined) properties[name] = { anyOf: [schema, { type: 'null' }] };
    }
  }
}

function openDocument(document: AnySchema): (component: string) => ValidateFunction {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats.default(ajv);
  ajv.addSchema(document, 'contract');
  return (component) => {
    const validate = ajv.getSchema(`contract#/components/schemas/${component}`);
    if (validate === undefined) throw new Error(`the contract has no component ${component}`);
    return validate;
  };
}

function check(validate: ValidateFunction, body: unknown): void {
  if (validate(body)) return;
  throw new Error(`not as contracted: ${JSON.stringify(validate.errors)}\n${JSON.stringify(body)}`);
}
