// The tool: one function for each that wit/tool.wit exports. What is thrown fails the run, and costs nothing.

export function greet(name) {
  if (name.trim() === "") throw "whom to greet?";
  return `Hello, ${name}!`;
}
