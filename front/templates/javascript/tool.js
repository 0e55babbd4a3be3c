// The tool: one function for each that wit/tool.wit exports. A text that is thrown
// fails the run, and costs nothing; throw no `Error`, which is not a text.

export function greet(name) {
  if (name.trim() === "") throw "whom to greet?";
  return `Hello, ${name}!`;
}
