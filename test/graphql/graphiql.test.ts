import { beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { type Page, startBrowser } from './browser.ts';
import { issueCards } from './client.ts';

const queryEditor = '.graphiql-query-editor textarea';
// The editor shows spaces that do not break.
const shownResult = `document.querySelector('.result-window').innerText.replaceAll('\u00a0', ' ')`;

let app: TestApp;
let id: string;
beforeAll(async () => {
  app = await startTestApp({ role: 'gateway' });
  id = await issueCards(app, 30_000);
});

describe('GraphiQL in a browser without internet', { timeout: 90_000 }, () => {
  it('runs a query and shows a subscription live', async () => {
    const page = await openGraphiql();
    await writeHeaders(page);
    await run(page, 'look', `query look { bulkTask(id: "${id}") { ... on BulkIssuanceTask { status programId } } }`);
    await page.waitUntil(`${shownResult}.includes('"status": "PENDING"')`, 'the answer is shown');
    expect(await page.evaluate<string>(shownResult)).toContain(app.project.programId);

    await run(
      page,
      'follow',
      `subscription follow { bulkTask(id: "${id}") { ... on TaskProgress { state version } } }`,
    );
    await page.waitUntil(`${shownResult}.includes('"state": "QUEUED"')`, 'the snapshot is shown');
    await startTestApp({ database: app.database, settings: { REDIS_URL: inject('redisUrl') } });
    await page.waitUntil(`${shownResult}.includes('"state": "SUCCEEDED"')`, 'the final state is shown');

    const elsewhere = page.requested.filter(
      (url) => !/^(blob|data):/.test(url) && !url.startsWith(`${app.url}/graphql`),
    );
    expect(elsewhere).toEqual([]);
  });
});

async function openGraphiql(): Promise<Page> {
  const browser = await startBrowser();
  onTestFinished(() => browser.close());
  const page = await browser.open(`${app.url}/graphql`);
  await page.waitUntil(`document.querySelector('${queryEditor}')`, 'the editor is there');
  return page;
}

async function writeHeaders(page: Page): Promise<void> {
  const shownEditor = '.graphiql-editor-tool .graphiql-editor:not(.hidden) textarea';
  await page.evaluate(
    `[...document.querySelectorAll('button')].find((button) => button.innerText === 'Headers').click()`,
  );
  await page.waitUntil(
    `document.querySelector('.graphiql-editor-tool .graphiql-editor.hidden') && document.querySelector('${shownEditor}')`,
    "the headers' editor is there",
  );
  await page.write(shownEditor, JSON.stringify(app.project.headers));
  await page.waitUntil(`document.body.innerText.includes('${app.project.appId}')`, 'the headers are written');
}

/** Writes an operation, waits until GraphiQL has named its tab after it, and presses the button. */
async function run(page: Page, name: string, operation: string): Promise<void> {
  await page.write(queryEditor, operation);
  const tab = `document.querySelector('.graphiql-tab-button').innerText`;
  await page.waitUntil(`${tab} === '${name}'`, `the tab is called ${name}`);
  await page.evaluate(`document.querySelector('.graphiql-execute-button').click()`);
}
