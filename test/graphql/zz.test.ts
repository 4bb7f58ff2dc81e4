import { writeFileSync } from 'node:fs';
import { it } from 'vitest';
import { setTimeout as delay } from 'node:timers/promises';
import { startTestApp } from '../support/gateway.ts';
import { startBrowser } from './browser.ts';
it('x', async () => {
  const app = await startTestApp();
  const browser = await startBrowser();
  const page = await browser.open(`${app.url}/graphql`);
  await page.waitUntil(`document.querySelector('.graphiql-container')`, 'graphiql');
  await delay(4000);
  console.log(await page.evaluate(`document.body.innerText`));
  console.log(await page.evaluate(`JSON.stringify([...document.querySelectorAll('button')].map(b => [b.getAttribute('aria-label'), b.innerText, b.className]))`));
  console.log(await page.evaluate(`JSON.stringify([...document.querySelectorAll('textarea')].map(b => [b.getAttribute('aria-label'), b.className, b.closest('section')?.className]))`));
  console.log(await page.evaluate(`JSON.stringify(Object.keys(localStorage))`), page.requested);
  await browser.close();
}, 60000);
