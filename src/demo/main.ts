/** `npm start`. */
import { demoCommand } from './command.js';

process.exitCode = await demoCommand(process.argv.slice(2));
