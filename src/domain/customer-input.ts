import { z } from 'zod';
import type { JsonObject } from '../db/json.ts';
import { isStorable, jsonObject, unstorable } from '../tasks/input.ts';
import type { CustomerProfile } from './customers.ts';
import { readWireDate } from './dates.ts';
import { custom } from './reasons.ts';

/** The customer fields that a write reads (contract of the async actions, sections 1.4 and 5.3). Others are skipped. */

export const maxSourceId = 255;
export const maxText = 2000;

const shortText = (description: string) => z.string().max(maxText).nullable().optional().describe(description);

const day = (description: string) =>
  z
    .string()
    .refine((text) => readDay(text) !== undefined, 'must be an ISO 8601 date')
    .nullable()
    .optional()
    .describe(description);

/** Where a customer lives; the parts that are given, null among them, are what is stored. */
export const addressInput = z
  .object({
    line_1: shortText('First line.'),
    line_2: shortText('Second line.'),
    postal_code: shortText('Postal code.'),
    city: shortText('City.'),
    state: shortText('State or region.'),
    country: shortText('Country.'),
  })
  .meta({ id: 'AddressInput', description: 'A postal address.' });

/** Everything of a customer but what names it, for whatever writes customers. */
export const customerFields = {
  name: shortText('Full name.'),
  description: shortText('Free text.'),
  email: shortText('E-mail address.'),
  phone: shortText('Phone number.'),
  birthdate: day('Day of birth, such as `2000-12-31`.'),
  birthday: day('Deprecated: `birthdate`, which wins.'),
  address: addressInput.nullable().optional().describe('Written as a whole; null: none.'),
  metadata: jsonObject().optional().meta({ graphql: 'JSON', description: 'An object of your own keys and values.' }),
};

const profileInput = z.object(customerFields);
type ProfileInput = z.infer<typeof profileInput>;

/** One customer of CUSTOMERS.BULK_UPDATE. */
export const customerInput = z
  .object({
    source_id: z
      .string()
      .min(1)
      .max(maxSourceId)
      .describe("The caller's own id of the customer, unique in the project."),
    ...customerFields,
  })
  .superRefine(checkStorable)
  .meta({ id: 'CustomerInput', description: 'What to write to one customer. Fields left out stay as they are.' });

/** The body of an update by the id in its path; a source id cannot be changed. */
export const customerUpdateBody = z.object(customerFields).superRefine(checkStorable);

/** The body of a create, which updates where the customer is known. */
export const customerBody = z
  .object({
    id: z.string().min(1).max(maxSourceId).nullable().optional().describe('Names an existing customer.'),
    source_id: z.string().min(1).max(maxSourceId).nullable().optional().describe('Names one that may be new.'),
    ...customerFields,
  })
  .superRefine(checkStorable);

/** The part of a profile that a valid input gives. */
export function toProfile(input: ProfileInput): Partial<CustomerProfile> {
  const { name, description, email, phone, address, metadata } = input;
  const birthdate = input.birthdate === undefined ? input.birthday : input.birthdate;
  return {
    ...(name !== undefined && { name }),
    ...(description !== undefined && { description }),
    ...(email !== undefined && { email }),
    ...(phone !== undefined && { phone }),
    ...(birthdate !== undefined && { birthdate: birthdate && (readDay(birthdate) ?? null) }),
    ...(address !== undefined && { address: address && toAddress(address) }),
    ...(metadata !== undefined && { metadata }),
  };
}

/** The day of a date in one of the contract's forms (section 1.6), as it stands there. */
export function readDay(text: string): string | undefined {
  return readWireDate(text) === undefined ? undefined : text.trim().slice(0, 10);
}

function toAddress(address: z.infer<typeof addressInput>): JsonObject {
  const parts = Object.entries(address).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]));
  return Object.fromEntries(parts);
}

function checkStorable(value: object, context: z.RefinementCtx): void {
  const unfit = Object.entries(value).find(([, part]) => !isStorable(part));
  if (unfit !== undefined) context.addIssue(custom([unfit[0]], `${unfit[0]}: ${unstorable}`));
}
