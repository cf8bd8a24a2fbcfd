// The forms of password hashes that the data plane takes; lua/headgate/guards/password_hash.lua has the same.
// A form that costs too much is refused: who may write a Secret could stop every worker with it.

const BCRYPT_COST_MAX = 12;
const SHA_ROUNDS_MAX = 100_000;
const HASH_LENGTH_MAX = 512;

const UNKNOWN = "is no password hash that is known";

/** What is wrong with a password hash; null: nothing. The hash itself is never part of it. */
export function hashFault(hash: string): string | null {
  if (hash === "") return "has no password hash";
  if (hash.length > HASH_LENGTH_MAX || /[^!-~]/.test(hash)) return UNKNOWN;
  if (hash.startsWith("$2")) return bcryptFault(hash);
  if (/^\$[56]\$/.test(hash)) return shaFault(hash);
  if (hash.startsWith("$")) return /^\$(apr1|1)\$[^$]{0,8}\$[A-Za-z0-9./]{22}$/.test(hash) ? null : UNKNOWN;
  if (hash.startsWith("{SHA}")) return /^\{SHA\}[A-Za-z0-9+/]{27}=$/.test(hash) ? null : UNKNOWN;
  if (hash.startsWith("{SSHA}")) {
    const encoded = hash.slice("{SSHA}".length);
    return encoded.length >= 28 && encoded.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(encoded) ? null : UNKNOWN;
  }
  if (hash.startsWith("{PLAIN}")) return hash === "{PLAIN}" ? UNKNOWN : null;
  return /^[A-Za-z0-9./]{13}$/.test(hash) ? null : UNKNOWN;
}

function bcryptFault(hash: string): string | null {
  const [, cost] = /^\$2[aby]\$(\d\d)\$[A-Za-z0-9./]{53}$/.exec(hash) ?? [];
  if (cost === undefined || Number(cost) < 4) return UNKNOWN;
  return Number(cost) > BCRYPT_COST_MAX
    ? `has a bcrypt hash of cost ${Number(cost)}, more than ${BCRYPT_COST_MAX}`
    : null;
}

function shaFault(hash: string): string | null {
  const [, form, rounds, sum = ""] = /^\$([56])\$(?:rounds=(\d{1,9})\$)?[^$]{0,16}\$([A-Za-z0-9./]+)$/.exec(hash) ?? [];
  if (form === undefined || sum.length !== (form === "5" ? 43 : 86)) return UNKNOWN;
  if (rounds === undefined) return null;
  if (Number(rounds) < 1000) return UNKNOWN;
  return Number(rounds) > SHA_ROUNDS_MAX ? `has a hash of ${rounds} rounds, more than ${SHA_ROUNDS_MAX}` : null;
}
