// The parts of an OpenAPI 3.1 document that the documentation page shows (https://spec.openapis.org/oas/v3.1.0).

/** A JSON Schema, or a reference to one as `{"$ref": "#/components/schemas/…"}`. */
export interface Schema {
  $ref?: string;
  type?: string | string[];
  format?: string;
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  allOf?: Schema[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  enum?: unknown[];
  example?: unknown;
  examples?: unknown[];
  default?: unknown;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  maxItems?: number;
}

export interface Parameter {
  name: string;
  in: string;
  required?: boolean;
  description?: string;
  schema: Schema;
}

export interface MediaType {
  schema: Schema;
  example?: unknown;
  examples?: Record<string, { value: unknown }>;
}

export interface Response {
  $ref?: string;
  description: string;
  headers?: Record<string, { description?: string; schema: Schema }>;
  content?: Record<string, MediaType>;
}

export interface DocumentedOperation {
  operationId: string;
  summary: string;
  description?: string;
  tags: [string];
  parameters?: Parameter[];
  requestBody?: { content: Record<string, MediaType> };
  responses: Record<string, Response>;
}

/** An operation with all of its parameters, including those of its path. */
export interface Operation extends DocumentedOperation {
  parameters: Parameter[];
}

export interface Tag {
  name: string;
  description: string;
}

export type Method = 'get' | 'head' | 'options' | 'post' | 'put' | 'patch' | 'delete';

/** The operations of a path by method, and the parameters that they share. */
export type PathItem = { parameters?: Parameter[] } & Partial<Record<Method, DocumentedOperation>>;

export interface OpenApiDocument {
  openapi: string;
  info: { title: string; description: string; version: string };
  tags: Tag[];
  paths: Record<string, PathItem>;
  components?: Record<string, unknown>;
}

/** A property of a schema, with its path, such as `pagination.next` or `imports[].status`. */
export interface Field {
  name: string;
  schema: Schema;
  required: boolean;
}
