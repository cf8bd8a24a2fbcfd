// IP addresses: canonical text, and those that must not get traffic. By hand: this room has no node:net.

/** Sixteen bytes' worth of an IPv6 address as eight groups, or the four numbers of an IPv4 one. */
export type Address =
  | { readonly kind: "IPv4"; readonly parts: readonly number[]; readonly text: string }
  | { readonly kind: "IPv6"; readonly parts: readonly number[]; readonly text: string };

/** Reads an address to its canonical text (RFC 5952); an IPv4-mapped one becomes IPv4. null: no address. */
export function parseAddress(text: string): Address | null {
  if (text.length > 45) return null;
  if (!text.includes(":")) return parseIPv4(text);
  const groups = parseIPv6(text);
  if (groups === null) return null;
  const mapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  if (mapped) {
    const high = groups[6] ?? 0;
    const low = groups[7] ?? 0;
    return ipv4([high >> 8, high & 0xff, low >> 8, low & 0xff]);
  }
  return { kind: "IPv6", parts: groups, text: formatIPv6(groups) };
}

/**
 * An address or a network ("10.1.2.3/8") as a canonical CIDR: bits behind the prefix are 0. null: neither. An
 * IPv4-mapped IPv6 network of at least 96 bits is the IPv4 network.
 */
export function parseCidr(text: string): string | null {
  const [written = "", length, ...more] = text.split("/");
  if (more.length > 0) return null;
  const address = parseAddress(written);
  if (address === null) return null;
  const full = address.kind === "IPv4" ? 32 : 128;
  if (length === undefined) return `${address.text}/${full}`;
  if (!/^(0|[1-9]\d{0,2})$/.test(length)) return null;
  const mapped = address.kind === "IPv4" && written.includes(":");
  const bits = Number(length) - (mapped ? 96 : 0);
  if (bits < 0 || bits > full) return null;
  const size = address.kind === "IPv4" ? 8 : 16;
  const parts = address.parts.map((part, index) => {
    const kept = Math.min(size, Math.max(0, bits - index * size));
    return part - (part % 2 ** (size - kept));
  });
  const network = address.kind === "IPv4" ? parts.join(".") : formatIPv6(parts);
  return `${network}/${bits}`;
}

/** Whether a network holds an address. */
export function isWithin(cidr: string, address: Address): boolean {
  const [text = "", bits = ""] = cidr.split("/");
  const network = parseAddress(text);
  if (network === null || network.kind !== address.kind) return false;
  const size = address.kind === "IPv4" ? 8 : 16;
  return network.parts.every((part, index) => {
    const kept = Math.min(size, Math.max(0, Number(bits) - index * size));
    const other = address.parts[index] ?? 0;
    return Math.floor(part / 2 ** (size - kept)) === Math.floor(other / 2 ** (size - kept));
  });
}

/** Why an address can never be an endpoint of a Pod or of another machine, or null. */
export function localReason(address: Address): string | null {
  return address.kind === "IPv4" ? localIPv4(address.parts) : localIPv6(address.parts);
}

/** An IPv4 address of its four numbers. */
function ipv4(parts: readonly number[]): Address {
  return { kind: "IPv4", parts, text: parts.join(".") };
}

function parseIPv4(text: string): Address | null {
  if (!/^(\d{1,3}\.){3}\d{1,3}$/.test(text)) return null;
  const parts = text.split(".");
  // "010" is octal to some and decimal to others.
  if (parts.some((part) => Number(part) > 255 || (part.length > 1 && part.startsWith("0")))) return null;
  return ipv4(parts.map(Number));
}

function parseIPv6(text: string): readonly number[] | null {
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const head = parseGroups(halves[0] ?? "", halves.length === 1);
  const tail = parseGroups(halves[1] ?? "", true);
  if (head === null || tail === null) return null;
  if (halves.length === 1) return head.length === 8 ? head : null;
  const gap = 8 - head.length - tail.length;
  return gap < 1 ? null : [...head, ...Array<number>(gap).fill(0), ...tail];
}

function parseGroups(text: string, endOfAddress: boolean): readonly number[] | null {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (const [index, part] of parts.entries()) {
    if (part.includes(".") && endOfAddress && index === parts.length - 1) {
      const embedded = parseIPv4(part);
      if (embedded === null) return null;
      const [a, b, c, d] = embedded.parts as [number, number, number, number]; // parseIPv4 gives four
      groups.push((a << 8) | b, (c << 8) | d);
    } else if (/^[0-9a-f]{1,4}$/i.test(part)) {
      groups.push(Number.parseInt(part, 16));
    } else {
      return null;
    }
  }
  return groups;
}

function formatIPv6(groups: readonly number[]): string {
  let best = { start: -1, length: 1 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  const hex = (list: readonly number[]): string => list.map((group) => group.toString(16)).join(":");
  if (best.start === -1) return hex(groups);
  return `${hex(groups.slice(0, best.start))}::${hex(groups.slice(best.start + best.length))}`;
}

function localIPv4([first = 0, second = 0]: readonly number[]): string | null {
  if (first === 0) return "is unspecified";
  if (first === 127) return "is a loopback address";
  if (first === 169 && second === 254) return "is a link-local address";
  if (first >= 224 && first < 240) return "is a multicast address";
  return first >= 240 ? "is in the reserved range 240.0.0.0/4" : null;
}

function localIPv6(groups: readonly number[]): string | null {
  const [first = 0] = groups;
  const leadingZero = groups.slice(0, 7).every((group) => group === 0);
  if (leadingZero && groups[7] === 0) return "is unspecified";
  if (leadingZero && groups[7] === 1) return "is a loopback address";
  // The rest of ::/96 are IPv4-compatible addresses: deprecated, and a way to write 127.0.0.1.
  if (groups.slice(0, 6).every((group) => group === 0)) return "is an IPv4-compatible address";
  if ((first & 0xffc0) === 0xfe80) return "is a link-local address";
  if ((first & 0xff00) === 0xff00) return "is a multicast address";
  const inside = translatedIPv4(groups);
  const reason = inside === null ? null : localIPv4(inside);
  return reason === null ? null : `leads to an IPv4 address that ${reason}`;
}

/** The IPv4 address that a translator (NAT64, RFC 6052) or a tunnel (6to4, RFC 3056) would make of it, or null. */
function translatedIPv4(groups: readonly number[]): readonly number[] | null {
  const translated = groups[0] === 0x64 && groups[1] === 0xff9b && groups.slice(2, 6).every((group) => group === 0);
  if (!translated && groups[0] !== 0x2002) return null;
  return (translated ? groups.slice(6) : groups.slice(1, 3)).flatMap((group) => [group >> 8, group & 0xff]);
}
