import { z } from 'zod';
import { text } from '../tasks/input.ts';
import { isOfType, type metadataDefinition, metadataTypes } from './metadata-definitions.ts';

/** How a client defines a metadata schema. */

const maxDefinitions = 100;
const maxKey = 100;
const name = (description: string) =>
  text()
    .min(1)
    .max(maxKey)
    .regex(/^[^\s\\]+$/, 'must not contain white space or a backslash')
    .describe(description);
const values = (description: string) =>
  z
    .array(z.union([text(), z.number(), z.boolean()]).meta({ graphql: 'JSON', description: 'A value of the type.' }))
    .min(1)
    .max(1_000)
    .optional()
    .describe(description);
const bound = (description: string) => z.number().optional().describe(`number: ${description}`);
const length = (description: string) => z.int().min(0).optional().describe(`string, image_url: ${description}`);

const metadataType = z.enum(metadataTypes).meta({
  id: 'MetadataType',
  description: 'What a metadata value, or every element of it, must be.',
  values: {
    string: 'Text.',
    number: 'A number.',
    object: 'An object, of the type that `objectType` names if it names one.',
    date: 'A day such as `2026-01-31`.',
    datetime: 'A moment such as `2026-01-31T12:30:00Z`.',
    geopoint: 'Text of latitude and longitude in degrees, such as `51.5,-0.12`.',
    boolean: 'true or false.',
    image_url: 'An http or https URL that ends in .jpg, .jpeg or .png.',
  },
});

const definition = z
  .object({
    key: name(`The metadata key: 1 to ${maxKey} characters without white space.`).refine(
      (key) => key !== '__proto__',
      'must not be __proto__',
    ),
    type: metadataType,
    array: z.boolean().default(false).describe('Whether the value is a list.'),
    optional: z.boolean().default(true).describe('Whether a new resource may go without it.'),
    objectType: name('The resource name of the schema that the object must fit.').nullable().optional(),
    eq: values('The only values there may be.'),
    ne: values('Values there may not be.'),
    lt: bound('lower than this.'),
    lte: bound('lower than this, or equal.'),
    gt: bound('greater than this.'),
    gte: bound('greater than this, or equal.'),
    minLength: length('at least so many characters.'),
    maxLength: length('at most so many characters.'),
    exactLength: length('exactly so many characters.'),
    deleted: z.boolean().optional().describe('No longer checked: the key is as if it were not defined.'),
  })
  .superRefine((rules, context) => {
    for (const rule of unfitRules(rules)) {
      const message = `${rule} does not go with the type ${rules.type}`;
      context.addIssue({ code: 'custom', path: [rule], message, input: rules });
    }
  })
  .meta({ id: 'MetadataDefinitionInput', description: 'What one metadata key must hold.' });

/** The input of `defineMetadataSchema`. */
export const metadataSchemaInput = z.object({
  resource: name(
    'What the schema is for: `campaign`, `voucher`, `customer`, `product`, `order`, `sku`, or a name of your own for an object type.',
  ),
  definitions: z
    .array(definition)
    .max(maxDefinitions)
    .superRefine((definitions, context) => {
      const keys = definitions.map(({ key }) => key);
      keys.forEach((key, index) => {
        if (keys.indexOf(key) === index) return;
        context.addIssue({ code: 'custom', path: [index, 'key'], message: `${key} is defined twice`, input: key });
      });
    })
    .describe(`All keys of the schema, at most ${maxDefinitions}.`),
  allow_defined_only: z
    .boolean()
    .default(false)
    .describe('Whether keys that are not defined are refused, instead of stored unchecked.'),
});
export type MetadataSchemaInput = z.infer<typeof metadataSchemaInput>;

const rulesOfNumbers = ['lt', 'lte', 'gt', 'gte'] as const;
const rulesOfTexts = ['minLength', 'maxLength', 'exactLength'] as const;

/** The rules that say something of another type than the definition's. */
function unfitRules(rules: z.infer<typeof metadataDefinition>): string[] {
  const { type, eq, ne } = rules;
  const isText = type === 'string' || type === 'image_url';
  return [
    ...rulesOfNumbers.filter((rule) => type !== 'number' && rules[rule] !== undefined),
    ...rulesOfTexts.filter((rule) => !isText && rules[rule] !== undefined),
    ...(eq?.every((value) => isOfType(type, value)) === false ? ['eq'] : []),
    ...(ne?.every((value) => isOfType(type, value)) === false ? ['ne'] : []),
    ...(rules.objectType && type !== 'object' ? ['objectType'] : []),
  ];
}
