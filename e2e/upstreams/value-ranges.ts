// Whether cases reach the ends of an annotation's values: each word, both bounds, and what is just beyond them.

/** As `sluice annotations --json` prints it. */
export type ValueRange =
  | { readonly kind: 'bool' }
  | { readonly kind: 'words'; readonly words: readonly string[]; readonly many: boolean }
  | { readonly kind: 'numbers'; readonly isWhole: boolean; readonly min: number | null; readonly max: number | null }
  | { readonly kind: 'times'; readonly hasNone: boolean };

type Wants = readonly (readonly [what: string, isThere: boolean])[];

/** What these accepted and refused values leave out. `range` null: text, whose form the cases know best. */
export function missingOf(
  range: ValueRange | null,
  accepted: readonly string[],
  refused: readonly string[],
): readonly string[] {
  if (range === null) return [];
  return wantsOf(range, accepted, refused).flatMap(([what, isThere]) => (isThere ? [] : [what]));
}

function wantsOf(range: ValueRange, accepted: readonly string[], refused: readonly string[]): Wants {
  switch (range.kind) {
    case 'bool':
      return [
        ['no true', accepted.some((value) => /^(?:1|t|true)$/i.test(value))],
        ['no false', accepted.some((value) => /^(?:0|f|false)$/i.test(value))],
      ];
    case 'words': {
      const used = accepted.flatMap((value) => (range.many ? value.split(/\s+/) : [value])).map(lower);
      return range.words.map((word) => [`no ${word}`, used.includes(lower(word))] as const);
    }
    case 'numbers':
      return wantsOfNumbers(range, accepted, refused);
    case 'times':
      return [
        ['no time that is long', accepted.some((value) => /[mh]|^\d{2,}$/.test(value))],
        ['no 0', (range.hasNone ? accepted : refused).some((value) => /^0m?s?$/.test(value))],
        ['nothing that is no time', refused.some((value) => !/^\d/.test(value))],
        ['nothing that is too long', range.hasNone || refused.some((value) => /^\d+[dwMy]$/.test(value))],
      ];
    default:
      return range satisfies never;
  }
}

function wantsOfNumbers(
  { min, max, isWhole }: Extract<ValueRange, { kind: 'numbers' }>,
  accepted: readonly string[],
  refused: readonly string[],
): Wants {
  const [good, bad] = [accepted.map(Number), refused.map(Number)];
  const bounds: Wants = [
    min === null ? ['nothing below 0', good.some((value) => value < 0)] : [`no ${min}`, good.includes(min)],
    min === null ? ['no 0', good.includes(0)] : [`nothing below ${min}`, bad.some((value) => value < min)],
    max === null ? ['nothing above 0', good.some((value) => value > 0)] : [`no ${max}`, good.includes(max)],
    max === null ? ['', true] : [`nothing above ${max}`, bad.some((value) => value > max)],
  ];
  const isFraction = (value: string) => /^\d+\.\d+$/.test(value);
  return [
    ...bounds,
    ['nothing that is no number', bad.some(Number.isNaN)],
    ['no fraction', (isWhole ? refused : accepted).some(isFraction)],
  ];
}

function lower(text: string): string {
  return text.toLowerCase();
}
