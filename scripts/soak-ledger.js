'use strict';

/** The bookkeeping of the soak: numbered messages. */

/** Bytes of a message before its body: number, length of the body. */
const HEAD = 12;

/** One direction of one connection: numbered messages out, and what has come in. */
class Ledger {
  sent = 0;
  received = 0;
  duplicates = 0;
  disorder = 0;
  corrupt = 0;

  /** The next message: its number, its length, and bytes that follow from the number. */
  write(size) {
    const message = Buffer.alloc(HEAD + size, this.sent & 0xff);
    message.writeUInt32BE(size, 8);
    message.writeDoubleBE(this.sent++, 0);
    return message;
  }

  /** A message has come, which must be the next one, whole. */
  read(message, isBinary) {
    if (!isBinary || message.length < HEAD) return void this.corrupt++;
    const number = message.readDoubleBE(0);
    const body = message.subarray(HEAD);
    if (body.length !== message.readUInt32BE(8) || !body.equals(Buffer.alloc(body.length, number & 0xff))) {
      return void this.corrupt++;
    }
    if (number < this.received) this.duplicates++;
    else if (number > this.received) this.disorder++;
    this.received = Math.max(this.received, number + 1);
  }

  get lost() {
    return this.sent - this.received;
  }
}

module.exports = { Ledger };
