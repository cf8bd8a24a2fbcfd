// Base64 as Secrets have it, without Node's Buffer: this room is pure, and Buffer forgives what must be named.

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/**
 * Decodes strict base64 (RFC 4648 section 4, padding needed; line breaks allowed, as the API server allows them)
 * to a string of one character a byte; null where the text is no base64. PEM is ASCII, so that is enough.
 */
export function decodeBase64(encoded: string): string | null {
  const text = encoded.replace(/[\r\n]/g, "");
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return null;
  const parts: string[] = [];
  for (let i = 0; i < text.length; i += 4) {
    const bits = sextet(text, i, 18) | sextet(text, i + 1, 12) | sextet(text, i + 2, 6) | sextet(text, i + 3, 0);
    const bytes = text[i + 2] === "=" ? 1 : text[i + 3] === "=" ? 2 : 3;
    // The bits that padding leaves over must be zero, else two texts would mean the same bytes.
    if (bytes < 3 && (bits & (bytes === 1 ? 0xffff : 0xff)) !== 0) return null;
    parts.push(String.fromCharCode(bits >>> 16));
    if (bytes > 1) parts.push(String.fromCharCode((bits >>> 8) & 0xff));
    if (bytes > 2) parts.push(String.fromCharCode(bits & 0xff));
  }
  return parts.join("");
}

function sextet(text: string, index: number, shift: number): number {
  const value = ALPHABET.indexOf(text[index] ?? "=");
  return value < 0 ? 0 : value << shift;
}

/** The text of a string of one character a byte, as UTF-8; a line that is none becomes U+FFFD. */
export function textOfBytes(bytes: string): string {
  if (!/[^\0-\x7f]/.test(bytes)) return bytes;
  const lines = bytes.split("\n").map((line) => {
    try {
      return decodeURIComponent(
        line.replace(/[%\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16).padStart(2, "0")}`),
      );
    } catch {
      return "\ufffd";
    }
  });
  return lines.join("\n");
}
