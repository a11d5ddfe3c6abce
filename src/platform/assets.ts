/**
 * Texts of the files that ship with webmimic, for a browser: from beside the page. A build puts a module with the texts
 * themselves in place of this one (scripts/assets.ts), so that nothing has to be served beside a bundle.
 */
export async function readText(path: string): Promise<string> {
  const response = await fetch(new URL(path, globalThis.location.href))
  if (!response.ok) throw new Error(`${path}: the server answered ${response.status}`)
  return response.text()
}
