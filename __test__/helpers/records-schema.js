'use strict';

// Holds records against lib/inspector/records.schema.json, as far as that uses JSON Schema.

const schema = require('../../lib/inspector/records.schema.json');

const TYPES = {
  string: (value) => typeof value === 'string',
  number: (value) => typeof value === 'number',
  integer: Number.isInteger,
  boolean: (value) => typeof value === 'boolean',
  null: (value) => value === null,
  array: Array.isArray,
  object: (value) => typeof value === 'object' && value !== null && !Array.isArray(value)
};

const KNOWN = new Set([
  '$ref',
  'additionalProperties',
  'const',
  'description',
  'enum',
  'items',
  'maxItems',
  'minItems',
  'minimum',
  'oneOf',
  'properties',
  'required',
  'type'
]);

/** What is wrong with a value, in words with its place. */
function check(value, rule, place) {
  const unknown = Object.keys(rule).filter((word) => !KNOWN.has(word));
  if (unknown.length > 0) throw new Error(`the schema uses ${unknown}, which nobody checks`);
  if (rule.$ref !== undefined) return check(value, schema.$defs[rule.$ref.replace('#/$defs/', '')], place);
  if (rule.oneOf !== undefined) {
    const found = rule.oneOf.map((each) => check(value, each, place));
    const fits = found.filter((flaws) => flaws.length === 0).length;
    return fits === 1
      ? []
      : [`${place} fits ${fits} of ${found.length}`, ...(fits === 0 ? found.flat() : [])];
  }
  const flaws = [];
  const types = [rule.type ?? []].flat();
  if (types.length > 0 && !types.some((type) => TYPES[type](value))) flaws.push(`${place} is no ${types}`);
  if ('const' in rule && value !== rule.const) flaws.push(`${place} is not ${rule.const}`);
  if (rule.enum && !rule.enum.includes(value)) flaws.push(`${place} is none of ${rule.enum}`);
  if (rule.minimum !== undefined && value < rule.minimum) flaws.push(`${place} is less than ${rule.minimum}`);
  if (Array.isArray(value)) {
    if (value.length < (rule.minItems ?? 0) || value.length > (rule.maxItems ?? Infinity)) {
      flaws.push(`${place} has ${value.length} items`);
    }
    value.forEach((each, at) => flaws.push(...check(each, rule.items ?? {}, `${place}[${at}]`)));
  } else if (TYPES.object(value)) {
    for (const name of rule.required ?? []) if (!(name in value)) flaws.push(`${place} lacks ${name}`);
    for (const [name, each] of Object.entries(value)) {
      if (rule.properties && name in rule.properties) {
        flaws.push(...check(each, rule.properties[name], `${place}.${name}`));
      } else if (rule.additionalProperties === false) flaws.push(`${place}.${name} is unknown`);
    }
  }
  return flaws;
}

/** What is wrong with a record; those of its own kind only. */
function flaws(record) {
  const ofKind = schema.oneOf.filter(({ properties }) => properties.kind.const === record.kind);
  if (ofKind.length !== 1) return [`there are ${ofKind.length} kinds ${record.kind}`];
  return check(record, ofKind[0], record.kind);
}

module.exports = { flaws, schema };
