import type { AnyOperation } from '../tasks/operation.ts';
import { importVouchers } from './import-vouchers.ts';
import { importVouchersCsv } from './import-vouchers-csv.ts';
import { issueGiftCards } from './issue-gift-cards.ts';

/** Every bulk type there is: one line each. */
const all: readonly AnyOperation[] = [
  issueGiftCards, //
  importVouchers,
  importVouchersCsv,
];

/** By their stored names. */
export const operations: ReadonlyMap<string, AnyOperation> = new Map(
  all.map((operation) => [operation.name, operation]),
);
