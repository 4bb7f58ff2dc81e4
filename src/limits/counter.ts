/** How much may be taken of something in a window, which begins with the first take. */
export interface Allowance {
  /** Tells the allowances of one owner apart. */
  readonly name: string;
  readonly limit: number;
  readonly windowMs: number;
}

export interface Grant {
  /** As much as was wanted, or as was left. */
  readonly granted: number;
  readonly remaining: number;
  /** Until the window ends. */
  readonly leftMs: number;
}

/** Counts for all processes together. */
export interface SharedCounter {
  /** Takes of each of the owner's allowances what is wanted, as far as it is left, all in one step. Rejects while nobody is there to count. */
  take(owner: string, wanted: readonly (Allowance & { readonly wanted: number })[]): Promise<readonly Grant[]>;
}
