// Documents that the data plane refused → problems that name their object.

import type { ObjectKind } from "../objects/objects.ts";
import type { Problem } from "./edge-model.ts";

/** Which object a document is about, by its kind; its key begins with "<namespace>/<name>". */
const OBJECT_OF: Readonly<Record<string, ObjectKind>> = {
  backend: "Service",
  certificate: "Secret",
  users: "Secret",
  route: "Ingress",
};

/** `id` is "<kind>:<key>", `message` the data plane's own words. */
export function documentProblems(
  refusals: readonly { readonly id: string; readonly message: string }[],
): readonly Problem[] {
  return refusals.map(({ id, message }) => {
    const [kind = "", ...rest] = id.split(":");
    const key = rest.join(":");
    const objectKind = OBJECT_OF[kind];
    const [namespace = "", name = ""] = key.split("/");
    return {
      code: "document-refused",
      severity: "error",
      object: objectKind === undefined ? null : { kind: objectKind, namespace, name },
      where: "",
      field: `${kind} ${key}`,
      message: `the data plane refused the document: ${message}; the one before it stays`,
      fix: "mend what the message names in the object; its other parts are served",
      hosts: kind === "host" || kind === "server_name" ? [name] : [],
    };
  });
}
