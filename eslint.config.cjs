// The page's scripts are one program: render.py joins them, in its order, in one module of the page. So a name of one
// file is used in others; whether it exists at all is what TypeScript checks (tsconfig.json).
const js = require("@eslint/js");

module.exports = [
  js.configs.recommended,
  {
    languageOptions: { ecmaVersion: 2023, sourceType: "script", parserOptions: { ecmaFeatures: { impliedStrict: true } } },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "no-undef": "off",
      "no-unused-vars": ["error", { vars: "local" }],
      "no-var": "error",
      "prefer-const": "error",
      eqeqeq: "error",
      "no-implicit-coercion": "error",
      "no-shadow": "error",
      "object-shorthand": "error",
    },
  },
];
