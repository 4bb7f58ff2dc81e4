/** WebSocket frames (RFC 6455), as little of them as the load client needs. */

export const opcodes = { continuation: 0, text: 1, close: 8, ping: 9, pong: 10 } as const;

/** One whole frame of a client. Its mask is all zeros, which leaves the payload as it is. */
export function encodeFrame(opcode: number, payload: Buffer): Buffer {
  const { length } = payload;
  const isShort = length < 126;
  const header = Buffer.alloc(isShort ? 6 : 8);
  header[0] = 0x80 | opcode;
  header[1] = 0x80 | (isShort ? length : 126);
  if (!isShort) header.writeUInt16BE(length, 2);
  return Buffer.concat([header, payload]);
}

/** Takes a frame of a server: its payload is `bytes` from `from` to `to`; `isLast` ends the message. */
export type TakeFrame<Reader> = (
  reader: Reader,
  bytes: Buffer,
  frame: { readonly opcode: number; readonly isLast: boolean; readonly from: number; readonly to: number },
) => void;

/** Hands on every whole frame in the first `end` bytes and returns where the first incomplete one begins. */
export function readFrames<Reader>(reader: Reader, bytes: Buffer, end: number, take: TakeFrame<Reader>): number {
  let at = 0;
  while (end - at >= 2) {
    const first = bytes.readUInt8(at);
    let length = bytes.readUInt8(at + 1);
    let from = at + 2;
    if (length >= 126) {
      from += length === 126 ? 2 : 8;
      if (from > end) return at;
      length = length === 126 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2));
    }
    const to = from + length;
    if (to > end) return at;
    take(reader, bytes, { opcode: first & 0x0f, isLast: first >= 0x80, from, to });
    at = to;
  }
  return at;
}
