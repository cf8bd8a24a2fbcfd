// Spellings of paths, and places for them before and behind a guarded route.

/** What stands between two segments, or in one: each of them is a slash, nothing, or a step up to somebody. */
export const ATOMS: readonly string[] = [
  "/", "//", "///", "/./", "/.//", "/../", "/.../", "%2f", "%2F", "%252f", "%5c", "%5C", "%255c", "\\", "\\\\", "/\\",
  "\\/", "/..%2f", "/..%5c", "/..\\", "\\..\\", "%2f..%2f", "/%2e/", "/%2e%2e/", "/%2E%2e/", "/.%2e/", "/%2e./",
  "/%252e%252e/", "/..;/", "/..;x/", "/.;/", "/;/", "/;x=y/", ";", ";/", ";x", ";x/", ";/../", ";%2f..", "/..%3b/", "%3b",
  "%3b/", "%3B/..", "#", "/#/", "/#/../", "%23", "%2523", "?", "?/", "/?/../", "%3f", "%3f/", "%253f", "%00", "/%00/",
  "%00/", "..%00/", "%0a", "%0d%0a", "%0d%0aX:%20y", "%09", "/%09/", "%20", "/%20/", "%7f", "/.%00./", "%c0%af",
  "/%c0%ae%c0%ae/", "/%c0%2e/", "%c1%9c", "/%c0%ae./", "%e0%80%af", "%ef%bc%8f", "%u002f", "%%32%66", "%2", "%", "%zz",
  "%2%66", "/..%c0%af", "/..%252f", "/%2e%2e%2f", "/%2e%2e%5c", "/.;x/", "/...;/", "%252e", "/%61/../", "&", "=", "+",
  "*", "~", "!", "'", "(", ")", ",", "@", ":", "$", "|", "^", "`", "<", ">", '"', "{", "}",
]; // prettier-ignore

/** Where an atom goes: `*` is its place. The open routes are everything but /admin. */
export const PLACES: readonly string[] = [
  "*admin", "/*admin", "/x*admin", "/x/*/admin", "/*/admin", "/x*..*admin", "/x/..*admin", "/x/y*..*..*admin",
  "/admin*", "/admin*x", "/admin/*x", "/admin*/x", "/admin/x*y", "/admin/..*x", "/admin*..*x", "/x/..*/admin", "/adm*in",
]; // prettier-ignore

/** Other spellings of the guarded segment itself. */
export const GUARDED: readonly string[] = [
  "/%61dmin", "/%61%64%6d%69%6e", "/%2561dmin", "/adm%2569n", "/%u0061dmin", "/%%361dmin", "/admin%", "/admi%6", "/admi%6e",
  "/admin.", "/admin%20", "/./%61dmin", "//%61dmin", "/%2561dmin/x", "/%c1%a1dmin", "/x/%2e%2e/%61dmin", "/a%64min?x",
]; // prettier-ignore
