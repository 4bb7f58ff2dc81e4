import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

const cipher = 'aes-256-gcm';
const ivBytes = 12;
const tagBytes = 16;

/** Seals the secrets of endpoints, so that the database alone gives none away. */
export interface SecretBox {
  /** What is sealed for one endpoint opens for no other. */
  seal(endpointId: string, secret: string): Buffer;
  /** Throws when it was sealed with another BULKCAST_SECRET, or changed since. */
  open(endpointId: string, sealed: Buffer): string;
}

export function createSecretBox(secret: string): SecretBox {
  const key = Buffer.from(hkdfSync('sha256', secret, '', 'bulkcast webhook secrets', 32));
  return {
    seal(endpointId, plain) {
      const iv = randomBytes(ivBytes);
      const sealing = createCipheriv(cipher, key, iv).setAAD(Buffer.from(endpointId));
      const text = Buffer.concat([sealing.update(plain, 'utf8'), sealing.final()]);
      return Buffer.concat([iv, sealing.getAuthTag(), text]);
    },
    open(endpointId, sealed) {
      const opening = createDecipheriv(cipher, key, sealed.subarray(0, ivBytes), { authTagLength: tagBytes });
      opening.setAAD(Buffer.from(endpointId)).setAuthTag(sealed.subarray(ivBytes, ivBytes + tagBytes));
      return opening.update(sealed.subarray(ivBytes + tagBytes), undefined, 'utf8') + opening.final('utf8');
    },
  };
}

/** A new secret, as Standard Webhooks writes them. */
export function makeUpSecret(): string {
  return `whsec_${randomBytes(32).toString('base64')}`;
}
