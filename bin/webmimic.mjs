#!/usr/bin/env node
// The runner as a command: loads TypeScript as it is.
import { register } from 'tsx/esm/api'

register()
await import('../src/runner/index.ts')
