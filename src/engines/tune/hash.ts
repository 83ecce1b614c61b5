/** Short names for long keys. Not for secrets: collisions are unlikely by accident and easy on purpose. */

/** 64 bits as 16 hexadecimal digits: FNV-1a over 32 bits twice, the second lane started elsewhere and mixed with the position. */
export function fingerprint(content: string | Uint8Array): string {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  let a = 0x811c9dc5;
  let b = 0x9e3779b9;
  for (let i = 0; i < bytes.length; i++) {
    a = Math.imul(a ^ bytes[i]!, 0x01000193);
    b = Math.imul(b ^ bytes[i]! ^ (i & 0xff), 0x01000193);
  }
  return [a, b].map((lane) => (lane >>> 0).toString(16).padStart(8, "0")).join("");
}
