import tseslint from 'typescript-eslint'

export default tseslint.config(
  { ignores: ['dist/', 'build/', 'eslint.config.js'] },
  ...tseslint.configs.strictTypeChecked,
  ...tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: { parserOptions: { project: ['./tsconfig.json', './tsconfig.test.json'] } },
    rules: {
      '@typescript-eslint/restrict-template-expressions': 'off', // numbers and hashes in messages are the rule here
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/dot-notation': 'off', // tsc asks for brackets where the name is data
      '@typescript-eslint/non-nullable-type-assertion-style': 'off', // `as T` names what is there, `!` does not
      '@typescript-eslint/no-deprecated': 'off', // the client deprecates the constructors that a subclass needs
      '@typescript-eslint/no-misused-spread': 'off', // client objects are spread as the client's own code does
      '@typescript-eslint/explicit-function-return-type': ['error', { allowExpressions: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      'max-lines': ['error', 500],
    },
  },
)
