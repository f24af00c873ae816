// Templates of the page, in place of JSX. What is put into a template is text: it never becomes HTML.

import htm from 'htm'
import { h } from 'preact'
import type { VNode } from 'preact'

/** The types of the package describe its CommonJS file, and the bundle has its ES module. */
const { bind } = htm as unknown as typeof htm.default

export const html = bind.call(htm, h) as (
  strings: TemplateStringsArray,
  ...values: unknown[]
) => VNode
