/** The page, as a folder of files for any static host: `npm run page` while one works on it, `npm run build:page`. */

import { fileURLToPath } from 'node:url'
import { type BuildEnvironmentOptions, defineConfig } from 'vite'
import { inlineAssets } from '../scripts/assets.ts'

const rolldownOptions: BuildEnvironmentOptions['rolldownOptions'] = {
  checks: { pluginTimings: false },
  // MuJoCo's module has a way for Node, which no browser takes
  onwarn(warning, warn) {
    if (!warning.message?.includes('externalized for browser compatibility')) warn(warning)
  },
}

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  // under any path
  base: './',
  plugins: [inlineAssets()],
  worker: { format: 'es', plugins: () => [inlineAssets()], rolldownOptions },
  build: {
    outDir: '../dist-page',
    emptyOutDir: true,
    target: 'esnext',
    chunkSizeWarningLimit: 1500,
    rolldownOptions,
    // a text in a stylesheet or a page would need another rule of what may be loaded
    assetsInlineLimit: 0,
  },
})
