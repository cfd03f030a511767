// The types of the API under the names that this page uses. api-types.d.ts is generated from the OpenAPI document;
// only this file refers to it.

import type { components } from './api-types.d.ts';

type Schemas = components['schemas'];

/** The body of every error. */
export type ErrorBody = Schemas['Error'];
export type Health = Schemas['Health'];
export type Pagination = Schemas['Pagination'];

export type Product = Schemas['Product'];
export type Products = Schemas['Products'];
export type ProductPagination = Schemas['ProductPagination'];
export type NewProduct = Schemas['NewProduct'];
export type ProductChange = Schemas['ProductChange'];
export type ProductFilter = Schemas['Filter'];
export type BulkChange = Schemas['Bulk'];
/** How many products a bulk change has changed. */
export type BulkCount = Schemas['Count'];

/** An import or an undo, as lists and streams show it. */
export type ImportJob = Schemas['Import'];
/** An import or an undo with its options, file, preview, log and samples. */
export type ImportDetail = Schemas['ImportDetail'];
export type Imports = Schemas['Imports'];
export type ImportOptions = Schemas['Options'];
export type ImportFile = Schemas['File'];
export type FileColumn = Schemas['Column'];
export type Preview = Schemas['Preview'];
/** What an import would do to one product. */
export type PreviewChange = Schemas['Change'];
export type LogEntry = Schemas['Log'];
/** Rows done in a phase after so many seconds. */
export type RateSample = Schemas['Sample'];
export type RejectedRow = Schemas['Reject'];
export type RejectedRows = Schemas['Rejects'];
export type ImportedProduct = Schemas['ImportedProduct'];
export type ImportedProducts = Schemas['ImportedProducts'];
export type RetryOptions = Schemas['Retry'];
export type Uploaded = Schemas['Uploaded'];

export type Webhook = Schemas['Webhook'];
export type NewWebhook = Schemas['NewWebhook'];
export type WebhookChange = Schemas['WebhookChange'];
export type WebhookHealth = Schemas['HealthOfWebhook'];
export type WebhookHour = Schemas['Hour'];
export type EventType = Schemas['EventType'];
export type Delivery = Schemas['Delivery'];
export type DeliveryDetail = Schemas['DeliveryWithBody'];
export type Deliveries = Schemas['Deliveries'];
export type DeliveryAttempt = Schemas['Attempt'];
export type TestResult = Schemas['TestResult'];
export type RotatedSecret = Schemas['Rotated'];
export type RecoverRequest = Schemas['Recover'];
export type RecoveredCount = Schemas['Recovered'];
