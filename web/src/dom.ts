/** The page's elements. */

/** @throws Error for an id that the page does not have */
export function element<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id)
  if (!found) throw new Error(`the page has no #${id}`)
  return found as T
}

/** A new element with properties, and what is in it. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Partial<HTMLElementTagNameMap[K]> = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = Object.assign(document.createElement(tag), properties)
  made.append(...children)
  return made
}

/** A button that does something that may fail; it cannot be pressed again meanwhile. */
export function button(
  label: string,
  action: () => unknown,
  onError: (error: Error) => void,
): HTMLButtonElement {
  const made = make('button', { type: 'button', textContent: label })
  made.onclick = async () => {
    made.disabled = true
    try {
      await action()
    } catch (error) {
      onError(error as Error)
    } finally {
      made.disabled = false
    }
  }
  return made
}

/** 1234567 -> 1,234,567 */
export const thousands = (count: number) => Math.round(count).toLocaleString('en')

export const percent = (share: number) => `${(100 * share).toFixed(0)} %`
