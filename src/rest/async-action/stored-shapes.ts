import { z } from 'zod';
import { loyaltyCardInput } from '../../domain/campaign-input.ts';
import { addressInput } from '../../domain/customer-input.ts';
import { voucherInput } from '../../domain/voucher-input.ts';
import { toldAs } from '../openapi-parts.ts';

/** JSON that is stored as it was given: loose for types, in the OpenAPI document what can have been given. */

const { discount, gift, validity_timeframe } = voucherInput.shape;
const { shape: discountShape } = discount.unwrap();
const { shape: giftShape } = gift.unwrap();

const isStatic = { is_dynamic: z.literal(false) };

export const voucherDiscount = toldAs(z.looseObject(isStatic), z.looseObject({ ...discountShape, ...isStatic }));
export const campaignDiscount = toldAs(z.looseObject({ type: z.string() }), z.looseObject(discountShape));
export const campaignGift = toldAs(
  z.looseObject({ amount: z.number() }),
  z.looseObject({ ...giftShape, balance: z.int().describe('As the amount.') }),
);
export const giftEffect = toldAs(z.string(), giftShape.effect.unwrap());
export const campaignCard = toldAs(
  z.looseObject({ points: z.number() }),
  z.looseObject(loyaltyCardInput.unwrap().shape),
);
export const timeframe = toldAs(z.looseObject({}), z.looseObject(validity_timeframe.unwrap().unwrap().shape));
export const address = toldAs(z.record(z.string(), z.unknown()), z.looseObject(addressInput.shape));
