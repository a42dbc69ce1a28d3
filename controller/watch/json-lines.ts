// Finds the lines of the items of a JSON list: `JSON.parse` gives values without places.

/**
 * Gives the line, from 1, on which each item of the top-level `items` list begins. Empty when there is none. The text must
 * be valid JSON. One pass, linear.
 */
export function jsonItemLines(text: string): readonly number[] {
  const lines: number[] = [];
  let line = 1;
  let depth = 0;
  let isInItems = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '\n') {
      line += 1;
    } else if (char === '"') {
      const end = stringEnd(text, i);
      // A key of the top-level object; a value of that text is followed by no colon.
      if (depth === 1 && /^"items"\s*:/.test(text.slice(i, i + 64))) isInItems = true;
      i = end;
    } else if (char === '{' || char === '[') {
      if (isInItems && depth === 2) lines.push(line);
      depth += 1;
    } else if (char === '}' || char === ']') {
      depth -= 1;
      if (depth === 1) isInItems = false;
    }
  }
  return lines;
}

/** Index of the closing quote. JSON strings hold no raw line breaks. */
function stringEnd(text: string, start: number): number {
  let end = start + 1;
  while (end < text.length && text[end] !== '"') end += text[end] === '\\' ? 2 : 1;
  return end;
}
