// Comparing a piece of text with a lower-case name, without making the piece. PURE.

/** Whether `text[start..end)` is `lower` in any case. Only ASCII letters fold, as in header names (RFC 9110 §5.1). */
export function equalsText(text: string, start: number, end: number, lower: string): boolean {
  if (end - start !== lower.length) return false;
  for (let i = 0; i < lower.length; i++) {
    const code = text.charCodeAt(start + i);
    const folded = code >= 65 && code <= 90 ? code + 32 : code;
    if (folded !== lower.charCodeAt(i)) return false;
  }
  return true;
}
