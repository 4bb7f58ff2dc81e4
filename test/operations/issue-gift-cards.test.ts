import { beforeAll, expect, test } from 'vitest';
import { luhnDigit } from '../../src/domain/card-numbers.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { waitFor } from '../support/wait.ts';

let app: TestApp;

beforeAll(async () => {
  app = await startTestApp();
});

interface Answer {
  readonly taskId: string;
  readonly status: string;
  readonly cards: readonly { id: string }[];
}

async function issue(body: Record<string, unknown>) {
  const url = `${app.url}/v2/giftcards/programs/${app.project.programId}/cards/bulk`;
  const headers = { authorization: await app.project.bearer(), 'content-type': 'application/json' };
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
  return { status: response.status, body: (await response.json()) as Answer, url, headers };
}

const readCards = () => app.app.db.selectFrom('gift_cards').selectAll().orderBy('id').execute();

test('issues cards at once up to fifty, with value, currency and an end in a year', async () => {
  const { status, body } = await issue({ initialValue: '12.5', count: 50, isPhysical: true, designTemplate: 'gold' });
  expect(status).toBe(201);
  expect(body).toMatchObject({ issuedCount: 50, failedCount: 0 });
  const cards = await readCards();
  expect(cards.map((card) => card.id)).toEqual(body.cards.map((card) => card.id));
  for (const card of cards) {
    expect(card).toMatchObject({
      project_id: app.project.id,
      program_id: app.project.programId,
      initial_value: '12.50',
      balance: '12.50',
      currency: 'USD',
      is_physical: true,
      design_template: 'gold',
    });
    expect(luhnDigit(card.card_number.slice(0, 15))).toBe(Number(card.card_number[15]));
    const days = (card.expires_at.getTime() - Date.now()) / (24 * 3600 * 1000);
    expect(days).toBeCloseTo(365, 0);
  }
});

test('gives each recipient a card of their own, and refuses the ones that cannot be', async () => {
  const recipients = Array.from({ length: 60 }, (_, index) => ({
    customerEmail: index % 20 === 7 ? 'not an address' : `person${index}@example.com`,
    customerName: `Person ${index}`,
    customMessage: index === 3 ? 'x'.repeat(1001) : 'Enjoy',
  }));
  const { status, body, url, headers } = await issue({ initialValue: 20, recipients });
  expect(status).toBe(202);
  const poll = async () => {
    const answer = (await (await fetch(`${url}/${body.taskId}`, { headers })).json()) as Answer;
    return answer.status === 'completed' ? answer : undefined;
  };
  const answer = await waitFor(poll, { message: 'the task ends' });
  expect(answer).toMatchObject({ issuedCount: 56, failedCount: 4, error: '4 of 60 cards could not be issued' });
  const issued = (await readCards()).filter((card) => card.customer_email !== null);
  expect(issued).toHaveLength(56);
  for (const card of issued) expect(card.customer_name).toBe(`Person ${/\d+/.exec(card.customer_email ?? '')?.[0]}`);
  const failures = await app.app.db.selectFrom('failures').selectAll().where('task_id', '=', body.taskId).execute();
  expect(failures.map((failure) => failure.row_number).sort((a, b) => a - b)).toEqual([4, 8, 28, 48]);
});
