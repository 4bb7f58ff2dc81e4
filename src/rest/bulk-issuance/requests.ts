import { ClientError, type InputIssue } from '../../errors.ts';
import { issueGiftCards } from '../../operations/issue-gift-cards.ts';
import { extraForbidden, missing, notAModel, patternMismatch, tooLarge, tooLong, toPydantic } from './pydantic.ts';

/** What a start of an issuance asks for, valid by the operation's schema. */
export type IssueInput = ReturnType<typeof issueGiftCards.input.parse>;

const maxToldRecipients = 1_000;

/** How program and card ids are written. */
export const objectId = '^[0-9a-f]{24}$';

/** The query's `cardId`, if there is one. Throws BAD_USER_INPUT with every wrong part. */
export function readPoll(programId: string, query: unknown): string | undefined {
  const cardId = lastValue(query, 'cardId');
  refuseIfAny(idIssues(programId, cardId));
  return cardId;
}

/** The input of the operation. Throws BAD_USER_INPUT with every wrong part of path, query and body. */
export function readStart(programId: string, query: unknown, body: unknown, maxItems: number): IssueInput {
  const issues = idIssues(programId, lastValue(query, 'cardId'));
  if (body === undefined) throw refusal([...issues, missing(['body'], null)]);
  if (!isObject(body)) throw refusal([...issues, notAModel(['body'], body)]);
  if (Object.hasOwn(body, 'programId')) issues.push(extraForbidden(['body', 'programId'], body.programId));
  const result = issueGiftCards.input.safeParse({ ...body, ...cutRecipients(body), programId });
  if (!result.success) {
    // A wrong program is told already, as a part of the path.
    const bodyIssues = result.error.issues.filter((issue) => issue.path[0] !== 'programId');
    throw refusal([...issues, ...toPydantic(bodyIssues, body, ['body'])]);
  }
  refuseIfAny([...issues, ...sizeIssues(result.data, maxItems)]);
  return result.data;
}

/** Where one recipient is no object, only the first thousand, or all up to that one: a body can hold millions of them, and
 *  each would be told. */
function cutRecipients({ recipients }: Readonly<Record<string, unknown>>): { recipients?: unknown[] } {
  if (!Array.isArray(recipients)) return {};
  const wrong = recipients.findIndex((recipient) => !isObject(recipient));
  return wrong < 0 ? {} : { recipients: recipients.slice(0, Math.max(wrong + 1, maxToldRecipients)) };
}

/** How many cards the input asks for. */
export function countCards(input: IssueInput): number {
  return input.count ?? input.recipients?.length ?? 0;
}

function idIssues(programId: string, cardId: string | undefined): InputIssue[] {
  const issues: InputIssue[] = [];
  if (!isObjectId(programId)) issues.push(patternMismatch(['path', 'programId'], objectId, programId));
  if (cardId !== undefined && !isObjectId(cardId)) issues.push(patternMismatch(['query', 'cardId'], objectId, cardId));
  return issues;
}

function sizeIssues({ count, recipients }: IssueInput, maxItems: number): InputIssue[] {
  if (count && count > maxItems) return [tooLarge(['body', 'count'], maxItems, count)];
  if (recipients && recipients.length > maxItems) return [tooLong(['body', 'recipients'], maxItems, recipients)];
  return [];
}

function isObjectId(text: string): boolean {
  return new RegExp(objectId).test(text);
}

/** A repeated parameter counts as its last value, as in FastAPI. */
function lastValue(query: unknown, name: string): string | undefined {
  const value = isObject(query) ? query[name] : undefined;
  const last: unknown = Array.isArray(value) ? value.at(-1) : value;
  return typeof last === 'string' ? last : undefined;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function refuseIfAny(issues: readonly InputIssue[]): void {
  if (issues.length > 0) throw refusal(issues);
}

function refusal(issues: readonly InputIssue[]): ClientError {
  return new ClientError('BAD_USER_INPUT', 'The request is not valid', { issues });
}
