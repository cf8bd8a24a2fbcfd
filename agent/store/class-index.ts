// IngressClasses, and which Ingresses depend on them: those that name a class, and those that name none.

import { classNameOf, type Classes, isOurClass, isOurs } from "../model/ingress/class.ts";
import type { ModelSettings } from "../model/input.ts";
import { compareText, type Ingress, type IngressClass } from "../objects/objects.ts";

export class ClassIndex {
  readonly #settings: ModelSettings;
  readonly #classes = new Map<string, IngressClass>();
  readonly #defaultsOfOurs = new Set<string>();
  /** Until they were listed, nobody may say that there are none. */
  #listed = false;
  /** Class name, null for none → keys of the Ingresses. */
  readonly #named = new Map<string | null, Set<string>>();

  constructor(settings: ModelSettings) {
    this.#settings = settings;
  }

  /** Puts or (null) removes a class. Gives the Ingresses whose being ours may have changed. */
  set(name: string, ingressClass: IngressClass | null): readonly string[] {
    const before = this.#view();
    if (ingressClass === null) this.#classes.delete(name);
    else this.#classes.set(name, ingressClass);
    const ours = ingressClass !== null && isOurClass(name, ingressClass, this.#settings);
    if (ours && ingressClass.isDefault) this.#defaultsOfOurs.add(name);
    else this.#defaultsOfOurs.delete(name);
    const after = this.#view();
    const touched = [...(this.#named.get(name) ?? [])];
    if (before.any !== after.any || before.defaultIsOurs !== after.defaultIsOurs) {
      touched.push(...(this.#named.get(null) ?? []));
    }
    return touched;
  }

  /** The IngressClasses were listed: all there are is known. Gives the Ingresses whose being ours may have changed. */
  setListed(): readonly string[] {
    if (this.#listed) return [];
    this.#listed = true;
    return [...(this.#named.get(null) ?? [])];
  }

  get(name: string): IngressClass | undefined {
    return this.#classes.get(name);
  }

  /** Notes which class an Ingress names now. */
  track(key: string, before: Ingress | null, after: Ingress | null): void {
    if (before !== null) {
      const name = classNameOf(before);
      const keys = this.#named.get(name);
      keys?.delete(key);
      if (keys?.size === 0) this.#named.delete(name);
    }
    if (after !== null) {
      const name = classNameOf(after);
      this.#named.set(name, (this.#named.get(name) ?? new Set()).add(key));
    }
  }

  isOurs(ingress: Ingress): boolean {
    return isOurs(ingress, this.#view(), this.#settings);
  }

  /** Keys of the Ingresses that name a class. */
  ingressesOf(name: string): Iterable<string> {
    return this.#named.get(name) ?? [];
  }

  /** Our classes whose parameters name a ConfigMap. */
  classesOfConfigMap(key: string): readonly string[] {
    return this.#withParameters().flatMap(([name, configMap]) => (configMap === key ? [name] : []));
  }

  /** ConfigMaps that parameters of our classes name. */
  configMaps(): ReadonlySet<string> {
    return new Set(this.#withParameters().map(([, configMap]) => configMap));
  }

  // There are a handful of classes.
  #withParameters(): readonly (readonly [name: string, configMap: string])[] {
    return [...this.#classes].flatMap(([name, ingressClass]) => {
      const { parameters } = ingressClass;
      if (parameters?.kind !== "ConfigMap" || !isOurClass(name, ingressClass, this.#settings)) return [];
      return [[name, parameters.key] as const];
    });
  }

  /** Sorted by name. */
  all(): readonly IngressClass[] {
    return [...this.#classes.values()].sort((a, b) => compareText(a.meta.name, b.meta.name));
  }

  #view(): Classes {
    return {
      get: (name) => this.#classes.get(name),
      any: this.#classes.size > 0 || !this.#listed,
      defaultIsOurs: this.#defaultsOfOurs.size > 0,
    };
  }
}
