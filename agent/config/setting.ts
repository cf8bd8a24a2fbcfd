// What one setting is: its key, what it may hold, and how ingress-nginx's users know it.

/** What a value may be. `check` kinds get a string from flags and variables, and the YAML value from the file. */
export type SettingKind =
  | { readonly kind: "text"; readonly pattern: RegExp; readonly example: string }
  /** Made absolute: against the file's folder in the file, against the working directory elsewhere. */
  | { readonly kind: "path" }
  | { readonly kind: "integer"; readonly min: number; readonly max: number }
  | { readonly kind: "boolean" }
  | { readonly kind: "choice"; readonly values: readonly string[] }
  | {
      readonly kind: "list";
      readonly of: "name" | "path" | "address" | "network" | "word";
      /** For words: what each must be. */
      readonly pattern?: RegExp;
      readonly example?: string;
      readonly min: number;
      readonly max: number;
    };

/** The key of ingress-nginx's ConfigMap that means the same. */
export interface Counterpart {
  readonly name: string;
  /** Its default there, as its documentation writes it. */
  readonly default: string;
  /** Why ours differs; null where it does not. */
  readonly reason: string | null;
}

export interface Setting {
  /** Path in the file, joined with dots. */
  readonly key: string;
  readonly type: SettingKind;
  /** The file may say null for "none". */
  readonly nullable: boolean;
  readonly flag: string | null;
  readonly env: string | null;
  /** One line for the help. */
  readonly help: string;
  /** What holds where nothing is said; null for those that docs/configuration.md describes in words. */
  readonly default: string | number | boolean | readonly string[] | null;
  readonly counterparts: readonly Counterpart[];
}

export interface SettingMore {
  readonly flag?: string;
  readonly env?: string;
  readonly nullable?: boolean;
  readonly default?: Setting["default"];
  readonly counterparts?: readonly Counterpart[];
}

/** One row of the table. */
export function setting(key: string, type: SettingKind, help: string, more: SettingMore = {}): Setting {
  return {
    key,
    type,
    help,
    flag: more.flag ?? null,
    env: more.env ?? null,
    nullable: more.nullable ?? false,
    default: more.default ?? null,
    counterparts: more.counterparts ?? [],
  };
}
