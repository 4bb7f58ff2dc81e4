import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type OpenApi, printedOpenApi } from '../../src/rest/openapi.ts';
import { type Page, startBrowser } from '../graphql/browser.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';

const document: OpenApi = JSON.parse(printedOpenApi());

let app: TestApp;

beforeAll(async () => {
  app = await startTestApp({ role: 'gateway' });
});

describe('the OpenAPI document', () => {
  test('is served as it is committed, to every site, and may be kept', async () => {
    const response = await fetch(`${app.url}/openapi.json`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
    expect(response.headers.get('cache-control')).toBe('public, max-age=300');
    expect(await response.json()).toEqual(document);
  });

  test.each(['/openapi.json', '/docs'])('%s is confirmed to whoever has it', async (path) => {
    const { headers } = await fetch(app.url + path);
    const tag = headers.get('etag') ?? '';
    expect(tag).toMatch(/^"[\w-]{22}"$/);
    const again = await fetch(app.url + path, { headers: { 'if-none-match': `"other", ${tag}` } });
    expect([again.status, again.headers.get('etag'), await again.text()]).toEqual([304, tag, '']);
    const changed = await fetch(app.url + path, { headers: { 'if-none-match': '"other"' } });
    expect(changed.status).toBe(200);
    await changed.text();
  });
});

describe('the documentation in a browser without internet', { timeout: 90_000 }, () => {
  test('shows every operation, keeps to its policy and loads nothing', async () => {
    const page = await openDocs('/docs');
    const shown = await page.evaluate<string>(`document.body.innerText`);
    const summaries = await page.evaluate<string[]>(
      `[...document.querySelectorAll('main summary')]
        .map(({ textContent }) => textContent.replace(/\\s+/g, ' '))`,
    );
    for (const [path, operations] of Object.entries(document.paths)) {
      for (const [method, { operationId, summary }] of Object.entries(operations)) {
        if (method === 'head') continue;
        const told = `${method.toUpperCase()} ${path} ${summary.replaceAll('`', '')}`;
        expect(summaries).toContain(told);
        expect(shown).toContain(path);
        expect(await page.evaluate(partsOf(operationId))).toEqual(partsIn(operationId));
      }
    }
    expect(page.problems).toEqual([]);
    expect(page.requested.filter((url) => !url.startsWith('data:'))).toEqual([`${app.url}/docs`]);
    const { headers } = await fetch(`${app.url}/docs`);
    expect(headers.get('content-security-policy')).toMatch(
      /^default-src 'none'; style-src 'sha256-[^']+'; img-src data:;/,
    );
    expect(await page.evaluate(`document.scripts.length + document.querySelectorAll('[style]').length`)).toBe(0);
    expect(await page.evaluate(`getComputedStyle(document.querySelector('main details')).borderRadius`)).not.toBe(
      '0px',
    );
  });

  test('leads to every part that it links, and unfolds the one that an address names', async () => {
    const page = await openDocs('/docs#bulkIssue');
    const dead = await page.evaluate<string[]>(
      `[...document.querySelectorAll('a[href^="#"]')].map((a) => a.hash.slice(1)).filter((id) => !document.getElementById(id))`,
    );
    expect(dead).toEqual([]);
    const ids = await page.evaluate<string[]>(`[...document.querySelectorAll('[id]')].map(({ id }) => id)`);
    expect(new Set(ids).size).toBe(ids.length);
    await page.waitUntil(`document.getElementById('bulkIssue').closest('details').open`, 'the operation is unfolded');
    const others = await page.evaluate<string[]>(
      `[...document.querySelectorAll('a:not([href^="#"])')].map(({ href }) => href)`,
    );
    for (const url of others) {
      const response = await fetch(url, { headers: { accept: 'text/html' } });
      expect([url, response.status]).toEqual([url, 200]);
      await response.text();
    }
  });

  test('fits a phone and a desktop, and tells its structure to whoever hears it', async () => {
    const page = await openDocs('/docs#bulkIssue');
    for (const [width, height] of [
      [360, 740],
      [1400, 900],
    ] as const) {
      await page.resize(width, height);
      await page.evaluate(`for (const details of document.querySelectorAll('details')) details.open = true`);
      expect(await page.evaluate(`document.documentElement.scrollWidth`)).toBeLessThanOrEqual(width);
    }
    const levels = await page.evaluate<number[]>(
      `[...document.querySelectorAll('h1, h2, h3, h4')].map(({ tagName }) => Number(tagName[1]))`,
    );
    expect(levels.filter((level) => level === 1)).toHaveLength(1);
    const leaps = levels.filter((level, index) => level > (levels[index - 1] ?? 0) + 1);
    expect(leaps).toEqual([]);
    expect(await page.evaluate(`document.documentElement.lang`)).toBe('en');
    expect(await page.evaluate(`document.querySelectorAll('main').length`)).toBe(1);
    const unnamed = `[...document.querySelectorAll('nav:not([aria-label]), a, summary')].filter((e) => e.matches('nav') || e.textContent.trim() === '').length`;
    expect(await page.evaluate(unnamed)).toBe(0);
  });
});

async function openDocs(path: string): Promise<Page> {
  const browser = await startBrowser();
  onTestFinished(() => browser.close());
  const page = await browser.open(app.url + path);
  await page.waitUntil(`document.readyState === 'complete' && document.querySelector('footer')`, 'the page is there');
  return page;
}

interface Parts {
  readonly statuses: string[];
  readonly parameters: string[];
  readonly hasExample: boolean;
}

/** What the page tells of an operation. */
function partsOf(operationId: string): string {
  return `(() => {
    const part = document.getElementById(${JSON.stringify(operationId)});
    const under = (title) => {
      const heading = [...part.querySelectorAll('h4')].find(({ textContent }) => textContent === title);
      return heading ? [...heading.nextElementSibling.children].map((row) => row.querySelector('dt').firstElementChild.textContent) : [];
    };
    return { statuses: under('Answers'), parameters: under('Parameters'), hasExample: /^curl /.test(part.querySelector('pre').textContent) };
  })()`;
}

function partsIn(operationId: string): Parts {
  const operation = Object.values(document.paths)
    .flatMap(Object.values)
    .find((one) => one.operationId === operationId);
  return {
    statuses: Object.keys(operation.responses),
    parameters: (operation.parameters ?? []).map(({ name }: { name: string }) => name),
    hasExample: true,
  };
}
