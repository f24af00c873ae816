export interface RecordedLine {
  time: string
  from: 'client' | 'server'
  session: string
  frame: string
}

export function parseRecording(text: string): RecordedLine[]
export function parseWords(line: string, variables?: Record<string, string>): string[]
