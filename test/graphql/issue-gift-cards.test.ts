import { beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { ask, codes, succeeded } from './client.ts';

const issue = `mutation ($input: IssueGiftCardsInput!, $key: String) {
  issueGiftCards(input: $input, idempotencyKey: $key) {
    task { __typename id taskId programId state status version counts { total processed } }
    userErrors { field message code }
  }
}`;

interface Started {
  readonly issueGiftCards: {
    readonly task: { readonly id: string } | null;
    readonly userErrors: readonly { field: string[]; message: string; code: string }[];
  };
}

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});

const input = (changes: object = {}) => ({ programId: app.project.programId, initialValue: '10', ...changes });
const start = (changes: object, key?: string) => ask<Started>(app, issue, { input: input(changes), key });
const errorsOf = async (changes: object, key?: string) => (await start(changes, key)).data.issueGiftCards.userErrors;

describe('issueGiftCards', () => {
  it('answers a stored task and issues the cards to their end', async () => {
    const answer = await start({ count: 1234 });
    const { task } = answer.data.issueGiftCards;
    expect(answer.data.issueGiftCards).toEqual({
      task: {
        __typename: 'BulkIssuanceTask',
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        taskId: task?.id,
        programId: app.project.programId,
        state: 'QUEUED',
        status: 'PENDING',
        version: 1,
        counts: { total: 1234, processed: 0 },
      },
      userErrors: [],
    });
    await succeeded(app, task?.id ?? '');
    const query = `query ($id: ID!) { bulkTask(id: $id) { ... on BulkIssuanceTask {
      status issuedCount failedCount error csvDownloadUrl progress completedAt cards(first: 1) { edges { node { id cardNumber lastFourDigits } } }
    } } }`;
    const after = await ask<{ bulkTask: { csvDownloadUrl: string } }>(app, query, { id: task?.id });
    expect(after.data.bulkTask).toMatchObject({
      status: 'COMPLETED',
      issuedCount: 1234,
      failedCount: 0,
      error: null,
      progress: 100,
      completedAt: expect.stringMatching(/^\d{4}-.*Z$/),
      cards: { edges: [{ node: { cardNumber: expect.stringMatching(/^\d{16}$/) } }] },
    });
    const csv = await fetch(after.data.bulkTask.csvDownloadUrl);
    expect(csv.status).toBe(200);
    expect((await csv.text()).trim().split('\n')).toHaveLength(1235);
  });

  it('takes an amount as an exact literal, and a moment', async () => {
    const query = `mutation ($programId: ID!) { issueGiftCards(input: {
      programId: $programId, initialValue: 12.10, count: 1, expiresAt: "2099-12-31T23:59:59+01:00", isPhysical: true, designTemplate: null
    }) { task { id } userErrors { message } } }`;
    const { data } = await ask<Started>(app, query, { programId: app.project.programId });
    expect(data.issueGiftCards.userErrors).toEqual([]);
    const id = data.issueGiftCards.task?.id ?? '';
    await succeeded(app, id);
    const card = await app.app.db
      .selectFrom('gift_cards')
      .select(['initial_value', 'expires_at', 'is_physical', 'design_template'])
      .where('program_id', '=', app.project.programId)
      .where('is_physical', '=', true)
      .executeTakeFirstOrThrow();
    expect(card).toEqual({
      initial_value: '12.10',
      expires_at: new Date('2099-12-31T22:59:59Z'),
      is_physical: true,
      design_template: null,
    });
  });

  it('issues one card for each recipient and lists those it refused', async () => {
    const recipients = [{ customerEmail: 'ada@example.com' }, { customerEmail: 'nobody' }, { customerName: 'Bob' }];
    const { data } = await start({ recipients });
    const id = data.issueGiftCards.task?.id ?? '';
    await succeeded(app, id);
    const query = `query ($id: ID!) { bulkTask(id: $id) { ... on BulkIssuanceTask {
      error counts { total succeeded failed } failures { edges { node { row key code message } } }
    } } }`;
    expect((await ask(app, query, { id })).data).toEqual({
      bulkTask: {
        error: '1 of 3 cards could not be issued',
        counts: { total: 3, succeeded: 2, failed: 1 },
        failures: {
          edges: [
            { node: { row: 2, key: 'nobody', code: 'INVALID', message: expect.stringContaining('customerEmail') } },
          ],
        },
      },
    });
  });

  it.each([
    [{ count: 0 }, [['input', 'count'], 'TOO_SMALL']],
    [{ count: -1 }, [['input', 'count'], 'TOO_SMALL']],
    [{ count: 1_000_000_000 }, [['input', 'count'], 'TOO_MANY_ITEMS']],
    [{}, [['input', 'count'], 'INVALID']],
    [{ count: 1, recipients: [{}] }, [['input', 'recipients'], 'INVALID']],
    [{ count: 1, initialValue: '0.001' }, [['input', 'initialValue'], 'INVALID']],
    [{ count: 1, initialValue: -5 }, [['input', 'initialValue'], 'INVALID']],
    [{ count: 1, designTemplate: 'x'.repeat(101) }, [['input', 'designTemplate'], 'TOO_BIG']],
    [{ count: 1, expiresAt: '2001-01-01T00:00:00Z' }, [['input', 'expiresAt'], 'INVALID']],
    [{ count: 1, programId: 'x' }, [['input', 'programId'], 'INVALID_FORMAT']],
    [{ count: 1, programId: 'f'.repeat(24) }, [['input', 'programId'], 'NOT_FOUND']],
  ])('answers %j with a user error and starts nothing', async (changes, [field, code]) => {
    const before = await countTasks();
    expect(await errorsOf(changes)).toEqual([{ field, code, message: expect.any(String) }]);
    expect(await countTasks()).toBe(before);
  });

  it("does not tell another project's program from an unknown one", async () => {
    const stranger = await app.createProject();
    const unknown = await errorsOf({ count: 1, programId: 'e'.repeat(24) });
    const foreign = await errorsOf({ count: 1, programId: stranger.programId });
    expect(JSON.stringify(foreign)).toBe(JSON.stringify(unknown).replaceAll('e'.repeat(24), stranger.programId));
  });

  it('refuses what is no value of its type before anything runs', async () => {
    for (const changes of [{ count: 1.5 }, { count: '5' }, { count: 1, unknown: 1 }, { count: 1, expiresAt: 'soon' }]) {
      const answer = await start(changes);
      expect(answer.data).toBeUndefined();
      expect(codes(answer)).toEqual(['BAD_USER_INPUT']);
    }
  });
});

describe('an idempotency key', () => {
  it('answers the same task again for the same input', async () => {
    const first = await start({ count: 3 }, 'again');
    const second = await start({ count: 3 }, 'again');
    expect(second.data.issueGiftCards.userErrors).toEqual([]);
    expect(second.data.issueGiftCards.task?.id).toBe(first.data.issueGiftCards.task?.id);
  });

  it('tells until when it stands, also when it is repeated; without one there is nothing to tell', async () => {
    const query = `mutation ($input: IssueGiftCardsInput!, $key: String) {
      issueGiftCards(input: $input, idempotencyKey: $key) { idempotencyKeyExpiresAt } }`;
    const until = async (key?: string) => {
      const { data } = await ask<{ issueGiftCards: { idempotencyKeyExpiresAt: string | null } }>(app, query, {
        input: input({ count: 2 }),
        key,
      });
      return data.issueGiftCards.idempotencyKeyExpiresAt;
    };
    const told = (await until('told')) ?? '';
    expect(Date.parse(told) - Date.now()).toBeGreaterThan(6.9 * 24 * 3600 * 1000);
    expect([await until('told'), await until()]).toEqual([told, null]);
  });

  it('is refused with another input, and when it is empty or too long', async () => {
    await start({ count: 3 }, 'other');
    const field = ['idempotencyKey'];
    expect(await errorsOf({ count: 4 }, 'other')).toMatchObject([{ field, code: 'IDEMPOTENCY_KEY_REUSED' }]);
    expect(await errorsOf({ count: 3 }, '')).toMatchObject([{ field, code: 'INVALID_IDEMPOTENCY_KEY' }]);
    expect(await errorsOf({ count: 3 }, 'x'.repeat(256))).toMatchObject([{ field, code: 'INVALID_IDEMPOTENCY_KEY' }]);
  });

  it('belongs to its project', async () => {
    const stranger = await app.createProject();
    const variables = { input: { programId: stranger.programId, initialValue: 10, count: 3 }, key: 'shared' };
    const theirs = await ask<Started>(app, issue, variables, stranger.headers);
    const ours = await start({ count: 3 }, 'shared');
    expect(ours.data.issueGiftCards.userErrors).toEqual([]);
    expect(ours.data.issueGiftCards.task?.id).not.toBe(theirs.data.issueGiftCards.task?.id);
  });
});

async function countTasks(): Promise<number> {
  const row = await app.app.db
    .selectFrom('tasks')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow();
  return row.count;
}
