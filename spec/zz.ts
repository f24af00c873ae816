import { readFileSync } from 'node:fs'
import { parseArguments } from '../lib/cli/arguments/parse-arguments.ts'
for (const f of process.argv.slice(2)) for (let i=0;i<4;i++) { const argv=readFileSync(f,'utf8').split('\0'); const t=performance.now(); try { await parseArguments(argv,{PATH:'/bin'},'linux') } catch(e) { console.log(String(e).slice(0,100)) } console.log(f, argv.length, performance.now()-t) }
