import { createHash } from 'node:crypto';

/** The header line of the official template of voucher imports. */
const header =
  'Code,Voucher Type,Active,Start Date,Expiration Date,Discount Type,Value,Category,Redemption Limit,Additional Info,Region';

const campaigns = ['SPRING', 'SUMMER', 'FALL', 'WINTER', 'BIRTHDAY', 'WELCOME', 'LOYAL', 'FLASH'] as const;
const regions = ['EMEA', 'APAC', 'LATAM', 'NA'] as const;
const notes = ['', 'newsletter', '"Partner ""Acme"", store 12"', 'influencer campaign', '"till, counter 3"'] as const;

/** One row in so many is bad. */
const badEvery = 90;
const waysToBeBad = 6;

/** The lines of a voucher file as a shop would export it: `count` data rows, about one in ninety of them bad. The same seed
 *  makes the same file. */
export function* makeVoucherFile(count: number, seed: string): Generator<string> {
  yield `${header}\r\n`;
  let bad = 0;
  for (let row = 1; row <= count; row += 1) {
    const cells = row % badEvery === 0 ? spoil(makeCells(row, seed), bad++ % waysToBeBad) : makeCells(row, seed);
    yield `${cells.join(',')}\r\n`;
  }
}

function makeCells(row: number, seed: string): string[] {
  const random = createHash('sha256').update(`${seed}/${row}`).digest();
  const pick = <Item>(items: readonly Item[], at: number) => items[random.readUInt8(at) % items.length] ?? items[0];
  const code = `${pick(campaigns, 0)}-${random.toString('hex', 1, 6).toUpperCase()}`;
  const isGift = random.readUInt8(7) % 4 === 0;
  const isPercent = random.readUInt8(8) % 2 === 0;
  const value = isGift || !isPercent ? 500 + (random.readUInt8(9) % 40) * 250 : 5 + (random.readUInt8(9) % 10) * 5;
  return [
    code,
    isGift ? 'GIFT_VOUCHER' : 'DISCOUNT_VOUCHER',
    random.readUInt8(10) % 12 === 0 ? 'false' : 'TRUE',
    '2026-01-01',
    random.readUInt8(11) % 3 === 0 ? '' : '2027-12-31T23:59:59Z',
    isGift ? '' : isPercent ? 'PERCENT' : 'AMOUNT',
    String(value),
    isGift ? 'Gift cards' : 'Promotions',
    isGift ? '' : String(1 + (random.readUInt8(12) % 5)),
    pick(notes, 13) ?? '',
    pick(regions, 14) ?? '',
  ];
}

/** Makes a row bad in one of the ways that real files are. */
function spoil(cells: string[], way: number): string[] {
  const change = (index: number, value: string) => cells.with(index, value);
  switch (way) {
    case 0:
      return change(1, '');
    case 1:
      return change(0, '');
    case 2:
      return change(6, '12.5 EUR');
    case 3:
      return change(3, '31/12/2026');
    case 4:
      return change(2, 'yes');
    default:
      return cells.slice(0, 8);
  }
}
