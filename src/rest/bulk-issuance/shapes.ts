import { z } from 'zod';

/** The bodies of the bulk-issuance contract (loyaltydog.openapi.json), for types and for the printed OpenAPI document. */

/** A card as answers list it. */
export const cardSummary = z.object({ id: z.string(), cardNumber: z.string(), lastFourDigits: z.string() });

/** 201: issued at once. */
export const syncResponse = z.object({
  issuedCount: z.int().describe('Cards issued.'),
  cards: z.array(cardSummary),
  csvDownloadUrl: z.string().nullable().describe('Signed link to the CSV of the cards; it expires.'),
  failedCount: z.int().nullable().describe('Recipients that were refused.'),
});

/** 202: accepted. */
export const asyncResponse = z.object({
  taskId: z.string().describe('Poll it at …/cards/bulk/{taskId}.'),
  status: z.literal('pending'),
});

/** The poll's answer. */
export const taskStatus = z.object({
  taskId: z.string(),
  status: z.enum(['pending', 'processing', 'completed', 'failed']),
  issuedCount: z.int().nullable().describe('Cards issued; null until the task has ended.'),
  cards: z
    .array(cardSummary)
    .nullable()
    .describe('The cards when completed; null above a limit (the CSV has them), and to a watch token.'),
  csvDownloadUrl: z
    .string()
    .nullable()
    .describe('Signed link to the CSV when completed, null to a watch token; poll again when it has expired.'),
  failedCount: z.int().nullable().describe('Cards that could not be issued; null until the task has ended.'),
  error: z.string().nullable().describe('Why it failed, or one line when some cards could not be issued.'),
  completedAt: z.iso.datetime().nullable(),
});

/** A sign-in's answer. */
export const token = z.object({
  accessToken: z.string().nullable().describe('A JWT for `Authorization: Bearer`.'),
  tokenType: z.literal('bearer'),
  mfaPending: z.boolean(),
  pendingToken: z.string().nullable(),
});

/** One wrong part of a request, as FastAPI and Pydantic 2 tell it. */
export const validationError = z.object({
  loc: z.array(z.union([z.string(), z.int()])).describe('Begins with path, query, header or body.'),
  msg: z.string(),
  type: z.string().describe("Pydantic's error type."),
  input: z.unknown().optional(),
  ctx: z.record(z.string(), z.unknown()).optional(),
});

/** 422: everything that is wrong with a request. */
export const validationErrors = z.object({ detail: z.array(validationError) });
/** Any other refusal. */
export const detail = z.object({ detail: z.string() });

export type SyncResponse = z.infer<typeof syncResponse>;
export type AsyncResponse = z.infer<typeof asyncResponse>;
export type TaskStatus = z.infer<typeof taskStatus>;
export type Token = z.infer<typeof token>;
export type ValidationError = z.infer<typeof validationError>;
