/** Which of several things nothing else is better than. */

/**
 * Members that no other member equals or beats in everything and beats in something. Of equals the first one stays.
 * @param objectives of a member: smaller is better, all members as many; undefined leaves it out
 */
export function paretoFront<T>(members: readonly T[], objectives: (member: T) => readonly number[] | undefined): readonly T[] {
  const scored = members.flatMap((member) => {
    const values = objectives(member);
    return values === undefined || values.some(Number.isNaN) ? [] : [{ member, values }];
  });
  return scored
    .filter(({ values }, i) =>
      scored.every((other, j) => {
        const noWorse = other.values.every((value, k) => value <= (values[k] ?? Infinity));
        if (i === j || !noWorse) return true;
        const equal = other.values.every((value, k) => value === values[k]);
        return equal && i < j;
      }),
    )
    .map(({ member }) => member);
}
